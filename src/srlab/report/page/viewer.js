// The comparison. One state says what is shown; change() alters it, and render() shows it.
(() => {
  "use strict";
  const { truth, metrics, comparisons } = JSON.parse(document.getElementById("shown").textContent);
  const viewer = document.getElementById("viewer");
  const find = (selector) => viewer.querySelector(selector);
  const stage = find(".stage");
  const divider = find(".divider");
  const legend = find(".legend");
  const help = find("dialog");
  const [selectA, selectB] = viewer.querySelectorAll(".pair select");
  const PLAINEST = "bicubic";
  const LARGEST_ERRORS = [8, 16, 32, 64, 128, 255];
  const LARGEST_ZOOM = 64;

  const element = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const label = (method) => (method === truth ? `${method}, the truth` : method);

  // ---- State -----------------------------------------------------------------------------------

  const state = {
    image: 0, // index into comparisons
    a: null, // a wish: an image may lack the method
    b: null,
    mode: "slider", // or "panes"
    split: 0.5, // the divider, as a share of the visible picture
    error: false,
    largest: 32, // error at the legend's end
    zoom: 1, // 1 shows the whole image
    x: 0.5, // what is in the middle, as a share of the image
    y: 0.5,
  };

  const comparison = () => comparisons[state.image];
  const methods = () => Object.keys(comparison().methods);
  const hasTruth = () => methods().includes(truth);
  const mapped = () => state.error && hasTruth();

  // The methods to compare: those wished for, or the plainest and the last beside the truth.
  const pair = () => {
    const known = methods();
    const enlarged = known.filter((method) => method !== truth);
    const plain = enlarged.includes(PLAINEST) ? PLAINEST : enlarged[0];
    const a = known.includes(state.a) ? state.a : plain;
    const others = [...enlarged.reverse(), truth];
    const b = known.includes(state.b) ? state.b : others.find((method) => method !== a);
    return [a, b];
  };

  const change = (changes) => {
    Object.assign(state, changes);
    render();
    writeAddress();
  };

  // ---- The address holds the state -------------------------------------------------------------

  const PREFIX = "#compare?";
  const title = ({ dataset, image }) => (dataset ? `${dataset}/${image}` : image);
  const rounded = (value) => String(Math.round(value * 10000) / 10000);

  const address = () => {
    const [a, b] = pair();
    const query = new URLSearchParams({ image: title(comparison()), mode: state.mode, a, b });
    if (state.mode === "slider") query.set("split", rounded(state.split));
    if (mapped()) query.set("error", state.largest);
    if (state.zoom > 1) {
      for (const key of ["zoom", "x", "y"]) query.set(key, rounded(state[key]));
    }
    return PREFIX + query.toString().replaceAll("%2F", "/");
  };

  let writing = null;
  // Browsers allow few changes a second, and a drag makes many.
  const writeAddress = () => {
    clearTimeout(writing);
    writing = setTimeout(() => history.replaceState(null, "", address()), 200);
  };

  const readAddress = () => {
    if (!location.hash.startsWith(PREFIX)) return false;
    const query = new URLSearchParams(location.hash.slice(PREFIX.length));
    const number = (key, otherwise, low, high) => {
      const value = parseFloat(query.get(key));
      return Number.isFinite(value) ? clamp(value, low, high) : otherwise;
    };
    const image = comparisons.findIndex((each) => title(each) === query.get("image"));
    Object.assign(state, {
      image: Math.max(0, image),
      a: query.get("a"),
      b: query.get("b"),
      mode: query.get("mode") === "panes" ? "panes" : "slider",
      split: number("split", 0.5, 0, 1),
      error: query.has("error"),
      largest: LARGEST_ERRORS.find((level) => level >= number("error", 32, 8, 255)),
      zoom: number("zoom", 1, 1, LARGEST_ZOOM),
      x: number("x", 0.5, 0, 1),
      y: number("y", 0.5, 0, 1),
    });
    return true;
  };

  // ---- Pictures --------------------------------------------------------------------------------

  const bitmaps = new Map(); // block -> promise of its bitmap, the last used last
  const KEPT = 32;

  // The text of a block is complete when something follows it.
  const complete = async (name) => {
    let block = document.getElementById(name);
    while (document.readyState === "loading" && !block?.nextElementSibling) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      block = document.getElementById(name);
    }
    return block.textContent;
  };

  const decode = async (name) => {
    const bytes = Uint8Array.from(atob(await complete(name)), (letter) => letter.charCodeAt(0));
    const blob = new Blob([bytes], { type: "image/webp" });
    return createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  };

  const load = (name) => {
    const bitmap = bitmaps.get(name) ?? decode(name);
    bitmaps.delete(name);
    bitmaps.set(name, bitmap);
    if (bitmaps.size > KEPT) bitmaps.delete(bitmaps.keys().next().value);
    return bitmap;
  };

  const pixels = (bitmap) => {
    const canvas = element("canvas", { width: bitmap.width, height: bitmap.height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
  };

  // ---- Error maps ------------------------------------------------------------------------------

  // Black to white through purple and orange: as bright as the error is large.
  const RAMP = [
    [0, 0, 0], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85],
    [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 210],
  ];
  const palette = Uint8ClampedArray.from({ length: 256 * 3 }, (_, index) => {
    const position = (Math.floor(index / 3) / 255) * (RAMP.length - 1);
    const low = Math.min(Math.floor(position), RAMP.length - 2);
    const [from, to] = [RAMP[low][index % 3], RAMP[low + 1][index % 3]];
    return from + (to - from) * (position - low);
  });

  const paint = (out, index, level) => {
    for (let channel = 0; channel < 3; channel++) {
      out[4 * index + channel] = palette[3 * level + channel];
    }
    out[4 * index + 3] = 255;
  };

  // The error map of a method, and its mean in grey levels.
  const errorMap = (picture, reference, largest) => {
    const image = new ImageData(picture.width, picture.height);
    const [ours, theirs] = [pixels(picture).data, pixels(reference).data];
    let sum = 0;
    for (let index = 0; index < ours.length / 4; index++) {
      const at = 4 * index;
      const error =
        (Math.abs(ours[at] - theirs[at]) +
          Math.abs(ours[at + 1] - theirs[at + 1]) +
          Math.abs(ours[at + 2] - theirs[at + 2])) / 3;
      sum += error;
      paint(image.data, index, Math.min(255, Math.round((255 * error) / largest)));
    }
    return { image, mean: (4 * sum) / ours.length };
  };

  // ---- Where the pictures lie in their panes ---------------------------------------------------

  const panes = () => [...stage.querySelectorAll(".pane")];

  // Whole steps keep pixels even; they are taken where they leave little of the room empty.
  const even = (fit) => {
    const whole = Math.floor(fit * devicePixelRatio) / devicePixelRatio;
    return whole > 0.78 * fit ? whole : fit;
  };

  const GAP = 2; // as in the style sheet

  // Extreme shapes leave some of a pane empty rather than make it endless.
  const paneShape = () => clamp(comparison().width / comparison().height, 0.66, 1.5);

  const sizePanes = () => {
    const { width, height } = comparison();
    const shape = paneShape();
    const count = panes().length;
    const most = stage.clientWidth < 600 ? 2 : 4;
    const columns = Math.min(most, count > 4 ? Math.ceil(count / 2) : count);
    const room = (stage.clientWidth - (columns - 1) * GAP) / columns;
    const fit = Math.min(room / width, room / shape / height);
    stage.style.setProperty("--columns", columns);
    stage.style.setProperty("--pane", `${room * (even(fit) / fit)}px`);
  };

  // All panes are of one size, so one placement serves them all.
  const place = () => {
    const { width, height } = comparison();
    const frame = panes()[0].getBoundingClientRect();
    const dots = devicePixelRatio;
    const largest = Math.min(frame.width / width, frame.height / height);
    // A pane is made to measure, up to the rounding of its sides.
    const fit = even(largest * 1.001);
    const scale = fit * state.zoom;
    const offset = (room, length, middle) => {
      const start =
        length <= room ? (room - length) / 2 : clamp(room / 2 - middle * length, room - length, 0);
      return Math.round(start * dots) / dots;
    };
    const left = offset(frame.width, width * scale, state.x);
    const top = offset(frame.height, height * scale, state.y);
    return { frame, fit, scale, left, top, right: left + width * scale };
  };

  const visible = ({ frame, left, right }) => [Math.max(0, left), Math.min(frame.width, right)];

  const showPlace = () => {
    stage.style.setProperty("--shape", paneShape());
    if (state.mode === "panes") sizePanes();
    const at = place();
    const dots = at.scale * devicePixelRatio;
    for (const pane of panes()) {
      const canvas = pane.querySelector("canvas");
      canvas.style.transform = `translate(${at.left}px, ${at.top}px) scale(${at.scale})`;
      // Between one and two the copies of a pixel would differ in size and show as stripes.
      const crisp = dots >= 2 || dots === 1;
      canvas.style.imageRendering = crisp ? "pixelated" : "auto";
    }
    const [start, end] = visible(at);
    const split = start + state.split * (end - start);
    stage.style.setProperty("--split", `${split}px`);
    stage.classList.toggle("zoomed", state.zoom > 1);
    const percent = Math.round(100 * state.split);
    const [a, b] = pair();
    divider.setAttribute("aria-valuenow", percent);
    divider.setAttribute("aria-valuetext", `${percent}% ${a}, ${100 - percent}% ${b}`);
    find(".zoom").textContent = `${Math.round(100 * at.scale)}%`;
  };

  const moveTo = (at, scale, left, top) => {
    const { width, height } = comparison();
    const middle = (room, start, length) =>
      length <= room ? 0.5 : (room / 2 - clamp(start, room - length, 0)) / length;
    state.zoom = scale / at.fit;
    state.x = middle(at.frame.width, left, width * scale);
    state.y = middle(at.frame.height, top, height * scale);
    showPlace();
    writeAddress();
  };

  // Zooms so that what is under (x, y) of the pane stays there.
  const zoomAt = (factor, x, y) => {
    const at = place();
    const scale = clamp(at.scale * factor, at.fit, at.fit * LARGEST_ZOOM);
    const ratio = scale / at.scale;
    moveTo(at, scale, x - (x - at.left) * ratio, y - (y - at.top) * ratio);
  };

  const zoomInMiddle = (factor) => {
    const { frame } = place();
    zoomAt(factor, frame.width / 2, frame.height / 2);
  };

  const pan = (dx, dy) => {
    const at = place();
    moveTo(at, at.scale, at.left + dx, at.top + dy);
  };

  const moveDivider = (x) => {
    const [start, end] = visible(place());
    state.split = clamp((x - start) / (end - start), 0, 1);
    showPlace();
    writeAddress();
  };

  const reset = () => change({ zoom: 1, x: 0.5, y: 0.5 });

  // ---- Rendering -------------------------------------------------------------------------------

  const makePane = () => {
    const pane = element("div", { className: "pane" });
    pane.append(
      element("canvas"),
      element("p", { className: "tag" }, element("b"), element("span")),
    );
    pane.querySelector("canvas").setAttribute("role", "img");
    return pane;
  };

  const scoreLine = (method) => {
    const scores = comparison().scores[method] ?? {};
    const first = metrics.find(({ name }) => scores[name]);
    if (!first) return "";
    return `${first.name.toUpperCase()} ${scores[first.name].text}`;
  };

  // Pictures arrive later than they were asked for; what a newer wish has overtaken is dropped.
  const fill = async (pane, method) => {
    const { methods: blocks } = comparison();
    const error = mapped();
    const { largest } = state;
    const wish = JSON.stringify([state.image, method, error && largest]);
    pane.dataset.method = method;
    pane.querySelector("b").textContent = method;
    pane.querySelector("span").textContent = error ? "" : scoreLine(method);
    if (pane.dataset.wish === wish && !error) return;
    pane.dataset.wish = wish;
    const [picture, reference] = await Promise.all(
      error ? [load(blocks[method]), load(blocks[truth])] : [load(blocks[method])],
    );
    if (pane.dataset.wish !== wish) return;
    const canvas = pane.querySelector("canvas");
    canvas.width = picture.width;
    canvas.height = picture.height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (error) {
      const { image, mean } = errorMap(picture, reference, largest);
      context.putImageData(image, 0, 0);
      pane.querySelector("span").textContent = `mean error ${mean.toFixed(2)}`;
    } else {
      context.drawImage(picture, 0, 0);
    }
    canvas.setAttribute(
      "aria-label",
      `${title(comparison())}, ${error ? "error map of " : ""}${label(method)}`,
    );
    pane.dataset.shown = wish;
  };

  const renderStage = () => {
    const wanted = state.mode === "slider" ? pair() : methods();
    viewer.dataset.mode = state.mode;
    const present = panes();
    present.slice(wanted.length).forEach((pane) => pane.remove());
    while (panes().length < wanted.length) divider.before(makePane());
    panes().forEach((pane, index) => fill(pane, wanted[index]));
    divider.hidden = state.mode !== "slider";
    showPlace();
  };

  const renderLegend = () => {
    legend.hidden = !mapped();
    legend.querySelector("select").value = state.largest;
    const ticks = [0, 1, 2, 3, 4].map((quarter) => Math.round((state.largest * quarter) / 4));
    legend.querySelector(".ticks").replaceChildren(
      ...ticks.map((tick, index) =>
        element("span", {}, index === 4 && state.largest < 255 ? `${tick}+` : String(tick)),
      ),
    );
  };

  const renderScores = () => {
    const { dataset, image, width, height, scores } = comparison();
    const [a, b] = pair();
    find(".facts h3").textContent = image;
    const size = `${width} × ${height} pixels`;
    find(".size").textContent = dataset ? `${dataset}, ${size}` : size;
    const head = metrics.map(({ name, better }) => {
      const arrow = better === "low" ? "↓" : "↑";
      const cell = element("th", { scope: "col", className: "number" }, name.toUpperCase(), " ",
        element("abbr", { title: `better ${better}` }, arrow));
      return cell;
    });
    find("thead").replaceChildren(
      element("tr", {}, element("th", { scope: "col" }, "Method"), ...head),
    );
    find("tbody").replaceChildren(
      ...methods().map((method) => {
        const marks = [["a", a], ["b", b]]
          .filter(([, chosen]) => chosen === method)
          .map(([letter]) => element("i", { className: letter }, letter.toUpperCase()));
        const cells = metrics.map(({ name }) => {
          const score = scores[method]?.[name];
          const cell = element("td", { className: "number" });
          if (score) cell.append(score.best ? element("b", {}, score.text) : score.text);
          else cell.append(element("abbr", { title: method === truth ? "it is the truth" : "not computed" }, "–"));
          return cell;
        });
        return element("tr", {}, element("th", { scope: "row" }, method, ...marks), ...cells);
      }),
    );
    find(".facts").classList.toggle("bare", metrics.length === 0);
  };

  const renderControls = () => {
    const [a, b] = pair();
    for (const [select, chosen] of [[selectA, a], [selectB, b]]) {
      select.replaceChildren(
        ...methods().map((method) => element("option", { value: method }, label(method))),
      );
      select.value = chosen;
    }
    for (const button of viewer.querySelectorAll(".toolbar [data-mode]")) {
      button.setAttribute("aria-pressed", button.dataset.mode === state.mode);
    }
    find("[data-action=error]").hidden = !hasTruth();
    find("[data-action=error]").setAttribute("aria-pressed", mapped());
    find(".pair").hidden = state.mode !== "slider";
    viewer.querySelectorAll(".picker button").forEach((button, index) => {
      button.setAttribute("aria-pressed", index === state.image);
    });
  };

  const render = () => {
    renderControls();
    renderScores();
    renderLegend();
    renderStage();
  };

  const announce = () => {
    const [a, b] = pair();
    const what = state.mode === "slider" ? `${a} against ${b}` : "all methods side by side";
    find(".status").textContent = `${title(comparison())}: ${what}${mapped() ? ", error maps" : ""}`;
  };

  // ---- Actions ---------------------------------------------------------------------------------

  // Scrolls the thumbnails, and not the page, to the chosen one.
  const showChosen = () => {
    const strip = find(".picker");
    const button = strip.querySelectorAll("button")[state.image];
    strip.scrollLeft = button.offsetLeft + button.offsetWidth / 2 - strip.clientWidth / 2;
  };

  const showImage = (index) => {
    change({ image: (index + comparisons.length) % comparisons.length, zoom: 1, x: 0.5, y: 0.5 });
    showChosen();
    announce();
  };

  const nextMethod = (side, step) => {
    const known = methods();
    const chosen = pair()[side === "a" ? 0 : 1];
    const next = (known.indexOf(chosen) + step + known.length) % known.length;
    change({ [side]: known[next] });
    announce();
  };

  const setMode = (mode) => {
    change({ mode });
    announce();
  };

  const actions = {
    swap: () => {
      const [a, b] = pair();
      change({ a: b, b: a });
    },
    error: () => {
      change({ error: !state.error });
      announce();
    },
    in: () => zoomInMiddle(1.5),
    out: () => zoomInMiddle(1 / 1.5),
    reset,
    full: () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else viewer.requestFullscreen?.().catch(() => {});
    },
    help: () => (help.open ? help.close() : help.showModal()),
  };

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  const pressArrow = (event) => {
    const [dx, dy] = arrows[event.key];
    const sliding = state.mode === "slider";
    if (sliding && dx) {
      change({ split: clamp(state.split + dx * (event.shiftKey ? 0.1 : 0.02), 0, 1) });
      return true;
    }
    // The picture moves only when the reader is in it: else these keys scroll the page.
    if (state.zoom <= 1 || !stage.contains(document.activeElement)) return false;
    const step = event.shiftKey ? 160 : 40;
    pan(-dx * step, -dy * step);
    return true;
  };

  const keys = {
    n: () => showImage(state.image + 1),
    p: () => showImage(state.image - 1),
    a: () => nextMethod("a", 1),
    A: () => nextMethod("a", -1),
    b: () => nextMethod("b", 1),
    B: () => nextMethod("b", -1),
    x: actions.swap,
    e: actions.error,
    f: actions.full,
    1: () => setMode("slider"),
    2: () => setMode("panes"),
    "+": actions.in,
    "=": actions.in,
    "-": actions.out,
    0: reset,
    "?": actions.help,
  };

  const inSight = () => {
    const { top, bottom } = stage.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };

  const press = (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (target.closest("select, input, textarea")) return;
    // Keys belong to the viewer when the reader is in it, or nowhere else and sees it.
    if (!viewer.contains(target) && (target !== document.body || !inSight())) return;
    if (target === divider && (event.key === "Home" || event.key === "End")) {
      change({ split: event.key === "Home" ? 0 : 1 });
    } else if (event.key in arrows) {
      if (!pressArrow(event)) return;
    } else if (Object.hasOwn(keys, event.key)) {
      keys[event.key]();
    } else {
      return;
    }
    event.preventDefault();
  };

  // ---- Pointers --------------------------------------------------------------------------------

  const pointers = new Map(); // id -> [x, y] of the window
  let dragging = null; // "divider" or "picture"
  let frame = null; // of the pane in which the gesture began

  const middle = () => {
    const points = [...pointers.values()];
    return [0, 1].map((axis) => points.reduce((sum, point) => sum + point[axis], 0) / points.length);
  };
  const spread = () => {
    const [[x, y], [otherX, otherY]] = [...pointers.values()];
    return Math.hypot(x - otherX, y - otherY);
  };

  const pointerDown = (event) => {
    if (event.pointerType === "mouse" && event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (pointers.size > 1) {
      dragging = "picture";
      return;
    }
    const pane = event.target.closest(".pane") ?? panes()[0];
    frame = pane.getBoundingClientRect();
    const onDivider = divider.contains(event.target);
    dragging = state.mode === "slider" && (onDivider || state.zoom <= 1) ? "divider" : "picture";
    stage.classList.toggle("grabbed", dragging === "picture");
    if (dragging === "divider" && event.pointerType === "mouse") {
      moveDivider(event.clientX - frame.left);
      divider.focus({ preventScroll: true });
      event.preventDefault();
    }
  };

  const pointerMove = (event) => {
    if (!pointers.has(event.pointerId)) return;
    const [oldX, oldY] = middle();
    const oldSpread = pointers.size === 2 ? spread() : null;
    pointers.set(event.pointerId, [event.clientX, event.clientY]);
    const [x, y] = middle();
    if (dragging === "divider") {
      moveDivider(x - frame.left);
      return;
    }
    pan(x - oldX, y - oldY);
    if (oldSpread) zoomAt(spread() / oldSpread, x - frame.left, y - frame.top);
  };

  const pointerUp = (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size === 0) stage.classList.remove("grabbed");
  };

  // The wheel zooms once the reader has pointed at the pictures, and not while the page scrolls by.
  let aimed = false;
  let lastScreen = null;
  const aim = (event) => {
    const screenPoint = `${event.screenX},${event.screenY}`;
    if (lastScreen !== null && screenPoint !== lastScreen) aimed = true;
    lastScreen = screenPoint;
  };

  const wheel = (event) => {
    if (!aimed && !event.ctrlKey) return;
    if (state.zoom <= 1 && event.deltaY > 0 && !event.ctrlKey) return;
    event.preventDefault();
    const delta = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1);
    const within = (event.target.closest(".pane") ?? panes()[0]).getBoundingClientRect();
    const factor = Math.exp(-delta * (event.ctrlKey ? 0.01 : 0.002));
    zoomAt(factor, event.clientX - within.left, event.clientY - within.top);
  };

  // ---- Start -----------------------------------------------------------------------------------

  const fillPicker = () => {
    const groups = new Map();
    comparisons.forEach((each, index) => {
      const image = element("img", {
        src: each.thumbnail, alt: "", height: 56, loading: "lazy", decoding: "async",
        width: Math.round(clamp(each.width / each.height, 0.5, 2) * 56),
      });
      const button = element("button", { type: "button", onclick: () => showImage(index) },
        image, element("span", {}, each.image));
      button.setAttribute("aria-label", title(each));
      if (!groups.has(each.dataset)) {
        const group = element("div", { className: "dataset" }, element("h3", {}, each.dataset));
        group.append(element("div"));
        groups.set(each.dataset, group);
      }
      groups.get(each.dataset).lastElementChild.append(button);
    });
    find(".picker").append(...groups.values());
    find(".picker").hidden = comparisons.length === 1;
  };

  const fillLegend = () => {
    legend.querySelector("select").append(
      ...LARGEST_ERRORS.map((level) => element("option", { value: level }, String(level))),
    );
    const context = legend.querySelector("canvas").getContext("2d");
    const image = new ImageData(256, 1);
    for (let level = 0; level < 256; level++) paint(image.data, level, level);
    context.putImageData(image, 0, 0);
  };

  const listen = () => {
    for (const button of viewer.querySelectorAll("[data-action]")) {
      button.addEventListener("click", () => actions[button.dataset.action]());
    }
    for (const button of viewer.querySelectorAll(".toolbar [data-mode]")) {
      button.addEventListener("click", () => setMode(button.dataset.mode));
    }
    selectA.addEventListener("change", () => change({ a: selectA.value }));
    selectB.addEventListener("change", () => change({ b: selectB.value }));
    legend.querySelector("select").addEventListener("change", (event) => {
      change({ largest: Number(event.target.value) });
    });
    stage.addEventListener("pointerdown", pointerDown);
    stage.addEventListener("pointermove", pointerMove);
    stage.addEventListener("pointermove", aim);
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, pointerUp);
    stage.addEventListener("pointerleave", () => {
      aimed = false;
      lastScreen = null;
    });
    stage.addEventListener("dblclick", reset);
    stage.addEventListener("wheel", wheel, { passive: false });
    addEventListener("scroll", () => (aimed = false), { passive: true });
    document.addEventListener("keydown", press);
    addEventListener("hashchange", () => {
      if (!readAddress()) return;
      render();
      showChosen();
    });
    new ResizeObserver(showPlace).observe(stage);
    help.addEventListener("click", (event) => {
      if (event.target === help) help.close();
    });
  };

  fillPicker();
  fillLegend();
  viewer.hidden = false;
  const linked = readAddress();
  render();
  listen();
  showChosen();
  if (linked) viewer.closest("section").scrollIntoView();
})();
