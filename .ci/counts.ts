/**
 * `node .ci/counts.ts <report.json> <exit status>`: the counts of a test run, and on stderr what failed.
 * A run that ended badly without a failed test (a file that does not load, a crash, the time limit) counts one.
 */
import { readFileSync } from "node:fs";
import process from "node:process";

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: ReadonlyArray<{
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }>;
  }>;
}

const [path = "", status = "1"] = process.argv.slice(2);
const report = readReport(path);
let failed = report?.numFailedTests ?? 0;
for (const file of report?.testResults ?? []) {
  const failures = file.assertionResults.filter((test) => test.status === "failed");
  for (const { fullName, failureMessages } of failures)
    console.error(`FAILED ${file.name}: ${fullName}\n${failureMessages?.join("\n") ?? ""}\n`);
  if (file.status === "failed" && failures.length === 0) {
    failed++;
    console.error(`FAILED ${file.name}\n${file.message}\n`);
  }
}
if (failed === 0 && status !== "0") failed = 1;
const skipped = (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
console.log(`${report?.numPassedTests ?? 0} passed ${failed} failed ${skipped} skipped`);

function readReport(file: string): Report | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
