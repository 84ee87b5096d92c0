// One question at a time; of those that come meanwhile only the last is asked. Gradio's own way, always_last, forgets
// what belongs to the question. A question that has no answer after half a minute keeps no new one waiting.
let asked = 0, since = 0, next = null;

function ask(event, about) {
  if (since && performance.now() - since < 30000) { next = [event, about]; return; }
  since = performance.now();
  next = null;
  trigger(event, { ...about, asked: ++asked });
}

function answered(number) {
  if (number !== asked) return;
  since = 0;
  if (next) ask(...next);
}
