/** What members of the model may do wrong, to show that the search would notice. */
import { isDocktorError } from "../../../src/errors.ts";
import { checkpointKey } from "../../../src/lease/records.ts";
import { ABSENT, type Store } from "../../../src/lease/store.ts";
import { PARTITION } from "./invariants.ts";

/** A protocol that is broken in one place; nothing set is the protocol as it is. */
export interface Mutation {
  /** How much longer than the TTL, as a factor, a session is taken to live. */
  readonly trust?: number;
  /** How much longer than the TTL, as a factor, a neighbour waits for a renewal. */
  readonly patience?: number;
  /** Takes the lease of anyone, dead or alive. */
  readonly asksNobody?: true;
  /** Looks at the stream before it reads the checkpoint. */
  readonly looksBeforeItReads?: true;
  /** Starts handlers until the release is answered. */
  readonly startsWhileReleasing?: true;
  /** Does something else with the bucket of the leases. */
  readonly leases?: (store: Store) => Store;
}

const KEY = checkpointKey(PARTITION);

/** Takes every checkpoint for one of an earlier epoch. */
export function blind(store: Store): Store {
  return {
    ...store,
    get: async (key) => {
      const entry = await store.get(key);
      if (key !== KEY || entry === undefined) return entry;
      return { ...entry, value: { ...(entry.value as object), epoch: 0 } };
    },
  };
}

/** Takes silence for success. */
export function hopeful(store: Store): Store {
  return {
    ...store,
    write: async (key, value, expected) => {
      try {
        return await store.write(key, value, expected);
      } catch (error) {
        if (isDocktorError(error, "TIMEOUT")) return expected + 1;
        throw error;
      }
    },
  };
}

/** Writes checkpoints at whatever revision they have. */
export function withoutCompare(store: Store): Store {
  return {
    ...store,
    write: async (key, value, expected) => {
      if (key !== KEY) return await store.write(key, value, expected);
      const now = await store.get(key);
      return await store.write(key, value, now?.revision ?? ABSENT);
    },
  };
}

/** Takes whatever it finds after a conflict for its own. */
export function credulous(store: Store): Store {
  return {
    ...store,
    write: async (key, value, expected) => {
      try {
        return await store.write(key, value, expected);
      } catch (error) {
        const now = await store.get(key);
        if (now === undefined || now.revision <= expected) throw error;
        return now.revision;
      }
    },
  };
}
