/** Keeps cookies as a client does that knows nothing of this server: by name, host-only, for the path that was said. */
export class CookieJar {
  readonly #secure: boolean;
  readonly #cookies = new Map<string, { value: string; path: string }>();

  constructor(url: string) {
    this.#secure = new URL(url).protocol === "https:";
  }

  /** Takes what an answer sets. A `Secure` cookie is not taken over plain http, as browsers and Python's jar do. */
  take(headers: Headers): void {
    for (const line of headers.getSetCookie()) {
      const [pair = "", ...attributes] = line.split(";").map((part) => part.trim());
      const equals = pair.indexOf("=");
      const named = new Map(
        attributes.map((attribute): [string, string] => {
          const [name = "", value = ""] = attribute.split("=", 2);
          return [name.toLowerCase(), value];
        }),
      );
      if (named.has("secure") && !this.#secure) continue;
      this.#cookies.set(pair.slice(0, equals), {
        value: pair.slice(equals + 1),
        path: named.get("path") ?? "/",
      });
    }
  }

  /** The header for a path; undefined when there is no cookie for it. */
  header(path: string): string | undefined {
    const meant = [...this.#cookies].filter(([, cookie]) => path.startsWith(cookie.path));
    return meant.length === 0 ? undefined : meant.map(([name, { value }]) => `${name}=${value}`).join("; ");
  }
}
