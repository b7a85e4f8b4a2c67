/** A target of the route of executions' sockets, with the runner's id. */
export const WEBSOCKET_PATH = /^\/api\/v1\/runners\/([^/?#]+)\/websocket(?:[?#]|$)/;
