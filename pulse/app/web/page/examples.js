// The examples: `element` comes from Gradio.
element.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => {
  const detail = { name: button.dataset.name, image: button.querySelector("img") };
  document.dispatchEvent(new CustomEvent("pulse-example", { detail }));
}));
