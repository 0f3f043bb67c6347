import { platform } from "#platform";
import { RpcClient } from "../../runtime/port/rpc-client.ts";
const ts = [];
for (let i = 0; i < 12; i++) { const t = performance.now(); const p = await platform.spawnProcess(new URL("./platform/children/echo.ts", import.meta.url)); await new RpcClient(p.port).call("echo", 1); ts.push(performance.now()-t); await p.stop(); } console.log(ts.map(t => t.toFixed(0)).join(" ")); 
