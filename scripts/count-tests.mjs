// Prints what vitest counted, as one line: "N passed, N failed, N skipped".
// A file that could not even be loaded ran no test, and counts as one that failed.
import { readFileSync } from "node:fs";

const [file] = process.argv.slice(2);
try {
  const results = JSON.parse(readFileSync(file, "utf8"));
  const broken = results.testResults.filter(
    ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
  ).length;
  const failed = results.numFailedTests + broken;
  const skipped = results.numPendingTests + results.numTodoTests;
  console.log(`${results.numPassedTests} passed, ${failed} failed, ${skipped} skipped`);
} catch (error) {
  console.error(`The tests left no results in ${file}: ${error.message}`);
  console.log("0 passed, 1 failed, 0 skipped");
  process.exitCode = 1;
}
