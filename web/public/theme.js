// Chooses the theme before the first paint, so that no page flashes in the wrong one.
// A file of its own and not a line in the page: the content security policy allows no inline script.
(function () {
  var wish = "system";
  try {
    wish = localStorage.getItem("rbee.theme") || "system";
  } catch (refused) {
    // Private windows may refuse storage: then the system's wish counts.
  }
  var dark = wish === "dark" || (wish !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
