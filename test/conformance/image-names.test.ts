import fc from "fast-check";
import { expect, test } from "vitest";
import { imageNameOf } from "#agent/images/image-commit.ts";
import { ownImage } from "#lambdas/dialects/em/image-fields.ts";

function accepts(read: (text: string) => unknown, text: string): boolean {
  try {
    read(text);
    return true;
  } catch {
    return false;
  }
}

const onGround = (text: string) => accepts((name) => ownImage("image", name), text);
const onEdge = (text: string) => accepts(imageNameOf, text);

test.each(Array.from({ length: 60 }, (_, n) => n + 180))(
  "a name of %i characters is judged the same by ground and edge",
  (length) => {
    const names = ["x".repeat(length), `${"x".repeat(length - 2)}/y`, `${"x".repeat(length)}:v1`];
    for (const name of names) expect([name, onEdge(name)]).toEqual([name, onGround(name)]);
    expect(onGround(names[0]!)).toBe(length <= 200);
  },
);

test("whatever the text, what the ground takes the edge takes, and as the same name", () => {
  const text = fc.string({ unit: fc.constantFrom(..."aZ0:/.-_@"), maxLength: 40 });
  fc.assert(
    fc.property(text, (name) => {
      expect(onEdge(name)).toBe(onGround(name));
      if (!onGround(name)) return;
      const { name: bare, tag } = imageNameOf(name);
      expect(`${bare}:${tag}`).toBe(ownImage("image", name));
    }),
  );
});
