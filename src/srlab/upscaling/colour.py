"""Pictures in the colours of print, converted to those of screens."""

import io

from PIL import Image, ImageCms


def to_srgb(image: Image.Image, icc: bytes | None) -> tuple[Image.Image, str]:
    """A CMYK or LAB image as RGB, and what was done, in words.

    Args:
        image: of mode CMYK or LAB, 8 bits per channel.
        icc: its profile.
    """
    srgb = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        return _converted(image, ImageCms.createProfile("LAB"), srgb), "LAB became sRGB"
    if icc is not None:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            return _converted(image, profile, srgb), "CMYK became sRGB by its profile"
        except (ImageCms.PyCMSError, OSError):
            return image.convert("RGB"), "CMYK became sRGB, without its profile, which is damaged"
    return image.convert("RGB"), "CMYK became sRGB, without a profile, since it has none"


def fits(icc: bytes, channels: int) -> bool:
    """Whether a profile is for grey or RGB, whichever the pixels are.

    Source: ICC.1:2022, section 7.2.6 (data colour space).
    """
    return icc[16:20] == (b"GRAY" if channels <= 2 else b"RGB ")


def _converted(
    image: Image.Image,
    source: "ImageCms.ImageCmsProfile | ImageCms.core.CmsProfile",
    target: "ImageCms.core.CmsProfile",
) -> Image.Image:
    result = ImageCms.profileToProfile(
        image,
        source,
        target,
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert result is not None
    return result
