// The faces so far: `element`, `props`, `trigger` and `watch` come from Gradio.
const section = element.querySelector("section"), list = element.querySelector("ul");

function load(value) {
  const map = element.querySelector(".map"), address = value && value.map;
  map.hidden = !address;
  if (address && map.src !== address) map.src = address;
  const faces = (value && value.faces) || [];
  section.hidden = !faces.length;
  list.replaceChildren(...faces.map((face) => {
    const item = document.createElement("li"), button = document.createElement("button"), image = new Image();
    button.type = "button";
    button.title = button.ariaLabel = face.title;
    button.setAttribute("aria-current", String(face.number === value.shown));
    image.src = face.address;
    image.alt = "";
    button.append(image);
    button.addEventListener("click", () => trigger("select", { number: face.number }));
    item.append(button);
    return item;
  }));
}

watch("value", () => load(props.value));
load(props.value);
