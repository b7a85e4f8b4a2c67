/**
 * Has the browser find the fonts of the page, which takes it some time: meant for while the ground answers. Laid out
 * with the first picture they would be waited for then.
 */
export function findFonts(): void {
  const text = document.createElement("p");
  for (const tag of ["span", "strong", "code"]) {
    text.append(Object.assign(document.createElement(tag), { textContent: "Perigee" }));
  }
  document.body.append(text);
  text.getBoundingClientRect();
  text.remove();
}
