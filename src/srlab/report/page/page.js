// The theme and the table of contents. Stands in the head, so that the page never flashes.
(() => {
  "use strict";
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // A browser may refuse storage to pages opened from a file.
  const remembered = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null;
    }
  };
  const remember = (theme) => {
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // The choice then lasts as long as the page.
    }
  };

  const chosen = remembered();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  const isDark = () => (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";

  const followTheme = () => {
    const button = document.getElementById("theme");
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
    };
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      show();
    });
    dark.addEventListener("change", show);
    show();
  };

  // Marks the section that is being read: the last one that began above a third of the window.
  const followReading = () => {
    const links = [...document.querySelectorAll(".contents a")];
    const sections = links.map((link) => document.getElementById(link.hash.slice(1)));
    const strip = document.querySelector(".contents");
    let current = null;
    let waiting = false;
    const mark = () => {
      waiting = false;
      const began = sections.filter(
        (section) => section && section.getBoundingClientRect().top < innerHeight / 3,
      );
      const link = links[Math.max(0, sections.indexOf(began.at(-1)))];
      if (!link || link === current) return;
      current?.removeAttribute("aria-current");
      link.setAttribute("aria-current", "true");
      current = link;
      // On a narrow screen the contents are one line that scrolls.
      const middle = link.offsetLeft + link.offsetWidth / 2;
      strip.firstElementChild.scrollLeft = middle - strip.clientWidth / 2;
    };
    const later = () => {
      if (!waiting) requestAnimationFrame(mark);
      waiting = true;
    };
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    mark();
  };

  addEventListener("DOMContentLoaded", () => {
    followTheme();
    followReading();
  });
})();
