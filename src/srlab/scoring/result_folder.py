"""Pictures that somebody's program has made, found for the true images that they belong to."""

from pathlib import Path

from srlab.data.images import SUFFIXES, read_size
from srlab.errors import SrlabError


class ResultFolder:
    """A folder of results, laid out in one of the usual ways.

    An image's result is called as the image is, `IMAGE_x4` or `IMAGEx4`, and lies in `DATASET/x4`,
    `DATASET`, `x4`, or the folder itself.

    Args:
        folder: of the results.
        scale: of pictures whose names and folders do not say it; None allows no such pictures.
    """

    def __init__(self, folder: Path, scale: int | None) -> None:
        self.folder = folder
        self._scale = scale

    def find(self, dataset: str, image: str, scale: int, size: tuple[int, int]) -> Path | None:
        """The result for an image at a scale; None where there is none.

        Args:
            dataset, image: names.
            scale: s.
            size: (H, W) that the result must have.

        Raises:
            SrlabError: the picture that is there has another size, does not say its scale, or is
                no picture; or there are two.
        """
        names = {image, f"{image}_x{scale}", f"{image}x{scale}"}
        for parts in ((dataset, f"x{scale}"), (f"x{scale}",), (dataset,), ()):
            path = self._picture(self.folder.joinpath(*parts), names)
            if path is None:
                continue
            if path.stem == image and f"x{scale}" not in parts and self._scale is None:
                raise SrlabError(
                    f"{path}: does not say its scale; choose one, such as --scale {scale}, or call "
                    f"it {image}_x{scale}{path.suffix}"
                )
            if (found := read_size(path)) != size:
                raise SrlabError(
                    f"{path}: {found[0]}x{found[1]} pixels (height x width), but {image}, cut to a "
                    f"multiple of {scale}, has {size[0]}x{size[1]}; make it again"
                )
            return path
        return None

    @staticmethod
    def _picture(folder: Path, names: set[str]) -> Path | None:
        if not folder.is_dir():
            return None
        found = [
            path
            for path in sorted(folder.iterdir())
            if path.stem in names and path.suffix.lower() in SUFFIXES
        ]
        if len(found) > 1:
            raise SrlabError(
                f"{found[0]} and {found[1]}: two results for one image; remove one of them"
            )
        return found[0] if found else None
