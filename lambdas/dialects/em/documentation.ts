export function documentRoute(_registry: unknown, _path: string, _method: "GET" | "POST"): void {}
