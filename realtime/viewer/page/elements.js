// Reach the page's elements; write text only where it changed.

export const $ = id => document.getElementById(id);
export const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };
export function make(name, className = "", content = "") {
  const node = document.createElement(name);
  if (className) node.className = className;
  if (content) node.textContent = content;
  return node;
}
