// One question at a time; of those that come meanwhile only the last is asked. Gradio's own way, always_last, forgets
// what belongs to the question. Nor does it say that the line broke: a question that has no answer after half a minute
// is lost, which `lost` tells, and the next one is asked.
const PATIENCE = 30000;
let asked = 0, patience = 0, next = null;

function ask(event, about, lost) {
  if (patience) { next = [event, about, lost]; return; }
  next = null;
  patience = setTimeout(() => { if (lost) lost(); proceed(); }, PATIENCE);
  trigger(event, { ...about, asked: ++asked });
}

function answered(number) {
  if (number === asked) proceed();
}

function proceed() {
  clearTimeout(patience);
  patience = 0;
  if (next) ask(...next);
}
