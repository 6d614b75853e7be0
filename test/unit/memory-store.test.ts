import { describe } from "vitest";
import { MemoryStore } from "../support/memory-store.ts";
import { systemClock } from "../../src/clock.ts";
import { storeSuite } from "../support/store-suite.ts";

describe("the store in memory", () => {
  storeSuite(async () => new MemoryStore(systemClock));
});
