/** A worker thread that keeps a processor busy for 300 ms of its own time and ends. */
import process from "node:process";

const begun = process.threadCpuUsage();
const spentMs = (): number => {
  const { user, system } = process.threadCpuUsage(begun);
  return (user + system) / 1000;
};
while (spentMs() < 300);
