// SPDX-License-Identifier: Apache-2.0
// Elements from code. Nothing is ever parsed as HTML, so no name in topology.yaml can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `on*` in `properties` are listeners, the rest attributes; false and null are left out. */
export function html(tag, properties = {}, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** An SVG element. */
export function svg(tag, properties = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set an attribute, or take it away when the value is null or false. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value === true ? "" : value);
}

/** Set the text of an element, touching the document only when it changes. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Make the children of `parent` those of `items`, in order: `make(item)` makes one, `update(element, item)` brings it up to
 * date. An element stays the same as long as its key does, so that focus, hover and transitions survive.
 */
export function keyed(parent, items, key, make, update) {
  const known = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let element = known.get(name);
    known.delete(name);
    if (element === undefined) {
      element = make(item);
      element.dataset.key = name;
    }
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of known.values()) element.remove();
}

/** Follow the size of an element: `changed(width)` in CSS pixels, once now and whenever it changes. */
export function onWidth(element, changed) {
  let width = 0;
  new ResizeObserver(() => {
    if (element.clientWidth !== width && element.clientWidth > 0) changed((width = element.clientWidth));
  }).observe(element);
}
