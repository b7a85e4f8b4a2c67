/** The drawing of `icon.svg`, as a part of the page: a picture would be a request, and a document of its own to lay out. */
export function BrandMark({ size }: { size: number }) {
  return (
    <svg viewBox="0 0 32 32" width={size} height={size} aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="5.5" fill="#4a7dff" />
      <ellipse
        cx="16"
        cy="16"
        rx="14"
        ry="6.5"
        fill="none"
        stroke="#8fb0ff"
        stroke-width="2"
        transform="rotate(-28 16 16)"
      />
      <circle cx="26.6" cy="8.2" r="2.6" fill="#f5a524" />
    </svg>
  );
}
