/**
 * The global scope of a handler: that of the web, without what the host's program has beside it. Not the seal of the
 * process: that holds whatever the scope offers. But libraries look for these names to find out where they run, and would
 * then use what is denied here.
 */

/**
 * Of Node and Deno, and of the web what would open sockets or threads. Not `Buffer` and `setImmediate`: Node's own `Request`
 * and `Response` look for them in the scope.
 */
const hostNames = [
  ...["process", "global", "require", "module", "exports", "__filename", "__dirname"],
  ...["Deno", "Worker", "SharedWorker"],
  ...["WebSocket", "WebSocketStream", "EventSource", "WebTransport"],
  ...[
    "localStorage",
    "sessionStorage",
    "caches",
    "Storage",
    "CacheStorage",
    "alert",
    "confirm",
    "prompt",
    "close",
  ],
];

export function hideHost(scope: object): void {
  for (const name of hostNames) Reflect.deleteProperty(scope, name);
  define(scope, "self", scope);
}

/** Puts something into the scope in place of what may be there. */
export function define(scope: object, name: PropertyKey, value: unknown): void {
  Object.defineProperty(scope, name, { value, configurable: true, writable: true, enumerable: false });
}
