/** Beside its own origin, what a page may do. */
export type PagePolicy = {
  /** origins that it may send requests to */
  connect?: readonly string[];
  /** it runs WebAssembly */
  wasm?: boolean;
  /** its style has pictures in itself */
  dataImages?: boolean;
};

/** The Content-Security-Policy of a page of ours: nothing runs that is not ours, and no other origin is asked. */
export function pagePolicy({ connect = [], wasm = false, dataImages = false }: PagePolicy): string {
  return [
    "default-src 'none'",
    `script-src 'self'${wasm ? " 'wasm-unsafe-eval'" : ""}`,
    "style-src 'self'",
    `img-src 'self' blob:${dataImages ? " data:" : ""}`,
    ["connect-src 'self'", ...connect].join(" "),
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}
