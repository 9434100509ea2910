"""The page: what is on it, and what happens when people use it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from srlab.app import words
from srlab.app.before_after import thumbnail
from srlab.app.choices import AS_THE_PHOTO, SCALES, Choice, format_choices
from srlab.app.enlarging import Enlarged, Order, enlarge, look
from srlab.app.sessions import Session, Sessions, Stopped
from srlab.errors import SrlabError
from srlab.upscaling.jpeg_advice import model_for_jpeg

_HEAD = Markup(
    "<h1>Enlarge a photo</h1>\n"
    "<p>Drop one, choose how much larger it should be, and download the result.{}</p>"
)
_STRENGTH = "0 keeps to what is in the photo; 1 is sharper and invents texture."
_FORMAT = "Transparency, 16 bits, colour profile and EXIF are kept where the format holds them."
_TO_STAGE = (
    "() => { document.getElementById('stage').scrollIntoView({behavior: 'smooth'}); return []; }"
)
_OFTEN = 0.2
"""Seconds between two words on the progress."""

_Updates = dict[Any, Any]


class Page:
    """The page and its handlers.

    Args:
        choices: models, the default first.
        sessions: hold the files of each tab.
        limit: megapixels that a photo may have.
        is_local: whether only this computer reaches the page.
    """

    blocks: gr.Blocks
    """Ready to be launched."""

    def __init__(
        self, choices: Sequence[Choice], sessions: Sessions, limit: float, *, is_local: bool
    ) -> None:
        self._choices = {choice.title: choice for choice in choices}
        self._sessions, self._limit = sessions, limit
        self.blocks = gr.Blocks(
            title="srlab: enlarge a photo", analytics_enabled=False, delete_cache=(600, 3600)
        )
        with self.blocks:
            local = " It never leaves this computer." if is_local else ""
            gr.HTML(_HEAD.format(local), elem_id="head")
            with gr.Row(elem_id="bench"):
                with gr.Column(scale=7, min_width=320, elem_id="stage"):
                    self._add_stage()
                with gr.Column(scale=4, min_width=320, elem_id="choices"):
                    self._add_choices(choices[0])
            self._listen()

    def _add_stage(self) -> None:
        self._photo = gr.Image(
            label="Photo",
            show_label=False,
            sources=["upload"],
            placeholder="Drop a photo here, or click to choose one",
            buttons=[],
            height=460,
            elem_id="photo",
        )
        self._slider = gr.ImageSlider(
            show_label=False,
            interactive=False,
            buttons=["fullscreen"],
            max_height=640,
            visible=False,
            elem_id="slider",
        )
        self._said = gr.HTML(visible=False, elem_id="said")
        with gr.Row(visible=False, elem_id="after") as self._after:
            self._download = gr.DownloadButton(
                "Download", variant="primary", min_width=140, elem_id="download"
            )
            self._again = gr.Button("Another photo", min_width=140, elem_id="again")

    def _add_choices(self, first: Choice) -> None:
        self._model = gr.Dropdown(
            [*self._choices],
            value=first.title,
            label="Model",
            info=first.about,
            filterable=False,
            elem_id="model",
        )
        self._strength = gr.Slider(
            0,
            1,
            value=1,
            step=0.05,
            label="Strength",
            info=_STRENGTH,
            visible=first.has_strength,
            elem_id="strength",
        )
        self._scale = gr.Radio(
            [(f"×{scale}", scale) for scale in SCALES], value=4, label="Scale", elem_id="scale"
        )
        self._format = gr.Dropdown(
            format_choices(),
            value=AS_THE_PHOTO,
            label="Format",
            info=_FORMAT,
            filterable=False,
            elem_id="format",
        )
        self._start = gr.Button("Enlarge", variant="primary", interactive=False, elem_id="start")
        self._stop = gr.Button("Stop", visible=False, elem_id="stop")

    def _listen(self) -> None:
        fast: dict[str, Any] = {
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        stage = [self._photo, self._slider, self._said, self._after, self._download]
        buttons = [self._start, self._stop]
        choices = [self._model, self._strength, self._scale, self._format]
        self._model.change(self._choose, self._model, [self._model, self._strength], **fast)
        self._scale.change(self._label, self._scale, self._start, **fast)
        # The file as it is: what is preprocessed was decoded and written anew.
        self._photo.upload(
            self._drop,
            [self._photo, self._scale, self._model],
            [*stage, *buttons],
            preprocess=False,
            **fast,
        )
        for event in (self._photo.clear, self._again.click):
            event(self._clear, None, [*stage, *buttons], **fast)
        self._start.click(self._begin, None, [*buttons, self._download], js=_TO_STAGE, **fast).then(
            self._enlarge,
            choices,
            [*stage, *buttons],
            show_progress_on=[self._photo, self._slider],
            concurrency_limit=1,  # one picture at a time; the others wait
            api_visibility="private",
        )
        self._stop.click(self._give_up, None, self._stop, **fast)
        self.blocks.unload(self._end)

    # What people do. Gradio passes the tab's request, and what shows progress, by annotation.

    def _choose(self, title: str) -> _Updates:
        choice = self._choices[title]
        return {
            self._model: gr.update(info=choice.about),
            self._strength: gr.update(visible=choice.has_strength),
        }

    def _label(self, scale: int, request: gr.Request) -> _Updates:
        return {
            self._start: gr.update(value=words.start_label(self._session(request).header, scale))
        }

    def _drop(
        self, upload: dict[str, Any], scale: int, title: str, request: gr.Request
    ) -> _Updates:
        session = self._session(request)
        try:
            photo = self._sessions.take(session, Path(upload["path"]))
            session.header = look(photo, self._limit)
            shown = session.new_folder() / "thumbnail.jpg"
            thumbnail(photo, shown)
        except SrlabError as error:
            session.clear()
            return self._stage(said=words.problem(str(error)))
        label = words.start_label(session.header, scale)
        said = words.facts(photo.name, session.header)
        if better := model_for_jpeg(session.header, self._choices[title].model):
            said += words.jpeg_hint(session.header.jpeg_quality, better)
        return self._stage(photo=shown, said=said) | {
            self._start: gr.update(value=label, interactive=True)
        }

    def _clear(self, request: gr.Request) -> _Updates:
        self._session(request).clear()
        return self._stage()

    def _begin(self, request: gr.Request) -> _Updates:
        self._session(request).begin()
        return {
            self._start: gr.update(visible=False),
            self._stop: gr.update(value="Stop", visible=True),
            # What was made before must not be taken for what is being made.
            self._download: gr.update(visible=False),
        }

    def _give_up(self, request: gr.Request) -> _Updates:
        self._session(request).stop.set()
        return {self._stop: gr.update(value="Stopping …")}

    def _end(self, request: gr.Request) -> None:
        self._sessions.end(str(request.session_hash))

    def _enlarge(
        self,
        title: str,
        strength: float,
        scale: int,
        form: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> _Updates:
        choice, session = self._choices[title], self._session(request)
        order = Order(choice.model, scale, strength if choice.has_strength else None, form)
        told = -_OFTEN

        def tell(share: float, seconds: float) -> None:
            nonlocal told
            if seconds - told > _OFTEN:
                told = seconds
                progress(share, desc=words.left(seconds / share - seconds))

        progress(0, desc="Enlarging")
        buttons = {self._start: gr.update(visible=True), self._stop: gr.update(visible=False)}
        try:
            result = enlarge(order, session, self._limit, tell)
        except Stopped:
            still = " What was made before is still here." if session.result else ""
            return buttons | self._say(Markup("Stopped.{}").format(still), session)
        except SrlabError as error:
            return buttons | self._say(words.problem(str(error)), session)
        except Exception as error:  # a mistake in srlab must not leave the page without an answer
            unexpected = f"Unexpected {type(error).__name__}: {error}"
            return buttons | self._say(words.problem(unexpected), session)
        return buttons | self._show(result)

    # What they see.

    def _session(self, request: gr.Request) -> Session:
        return self._sessions.of(str(request.session_hash))

    def _stage(self, photo: Path | None = None, said: Markup | None = None) -> _Updates:
        """No result, and maybe a photo."""
        return {
            self._photo: gr.update(value=None if photo is None else str(photo), visible=True),
            self._slider: gr.update(value=None, visible=False),
            self._said: gr.update(value=said, visible=said is not None),
            self._after: gr.update(visible=False),
            self._download: gr.update(value=None),
            self._start: gr.update(value="Enlarge", visible=True, interactive=False),
            self._stop: gr.update(visible=False),
        }

    def _say(self, text: Markup, session: Session) -> _Updates:
        """Why there is no new result; one from before is there still."""
        return {
            self._said: gr.update(value=text, visible=True),
            self._download: gr.update(visible=session.result is not None),
        }

    def _show(self, result: Enlarged) -> _Updates:
        shown = result.shown
        return {
            self._photo: gr.update(visible=False),
            self._slider: gr.update(value=(str(shown.before), str(shown.after)), visible=True),
            self._said: gr.update(value=words.report(result), visible=True),
            self._after: gr.update(visible=True),
            self._download: gr.update(value=str(result.file), visible=True),
        }
