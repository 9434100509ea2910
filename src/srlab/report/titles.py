"""What tables call protocols, and how many digits scores have."""

from srlab.metrics.protocols import PROTOCOLS
from srlab.params import ProtocolName

_TITLES: dict[ProtocolName, str] = {
    "y_rgb8": "MATLAB bicubic on 8-bit RGB, PSNR and SSIM on luma (as SRResNet, EDSR)",
    "y": "MATLAB bicubic on 8-bit luma, scored on luma (as SRCNN, VDSR, MemNet)",
    "paper": "bicubic without antialiasing, PSNR and SSIM on RGB (as Lal & Javid)",
    "paper_antialiased": "MATLAB bicubic on 8-bit RGB, PSNR and SSIM on RGB",
    "y_rgb8_jpeg90": "as `y_rgb8`, of JPEG files of quality 90",
    "y_rgb8_jpeg75": "as `y_rgb8`, of JPEG files of quality 75",
    "y_rgb8_jpeg40": "as `y_rgb8`, of JPEG files of quality 40",
}

PROTOCOL_TITLES: dict[ProtocolName, str] = {
    name: f"protocol `{name}`: "
    + _TITLES.get(name, f"`{protocol.degradation}` on 8-bit luma, scored on luma")
    for name, protocol in sorted(
        PROTOCOLS.items(), key=lambda item: [*_TITLES, item[0]].index(item[0])
    )
}
"""Every protocol with what it does, in the order of the tables."""

FORMATS = {"psnr": ".2f", "ssim": ".4f", "alex": ".3f", "lpips": ".3f"}
"""Metric -> its digits, in the order of the columns."""

LOWER_IS_BETTER = ("lpips", "colour_shift", "grid")
"""Metrics of which less is better; of all others it is more."""
