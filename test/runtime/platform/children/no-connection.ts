/** Ends without a connection, or stays without one. */
console.error("nothing to do");
if (globalThis.process.argv[2] === "stay") setInterval(() => {}, 1000);
else globalThis.process.exit(3);
