/** Makes docs/scaling-policy.md and its chart from bench/results/scaling.json, which bench/scaling.ts writes. */
import { readFileSync, writeFileSync } from "node:fs";
import { chart } from "./scaling/chart.ts";
import { page } from "./scaling/page.ts";
import type { Results } from "./scaling/results.ts";

const results = JSON.parse(readFileSync("bench/results/scaling.json", "utf8")) as Results;
writeFileSync("docs/scaling-policy.svg", chart(results));
writeFileSync("docs/scaling-policy.md", page(results));
console.log("wrote docs/scaling-policy.md and docs/scaling-policy.svg");
