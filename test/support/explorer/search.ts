/**
 * Tries every interleaving of a small world: a search over what may happen next, in which every
 * schedule is replayed from the start, as promises cannot be copied. A state that was reached before
 * is not gone into again.
 */

/** Something that may happen next. */
export type Step = () => Promise<void>;

/** One run of a world. The same steps taken anew lead to the same state. */
export interface World {
  /** What has happened so far, for people. */
  readonly story: readonly string[];
  /** What may happen next, in an order that depends on the steps before alone. */
  steps(): Step[];
  /** Tells states apart: two with the same fingerprint have the same future. */
  fingerprint(): string;
  /** What is wrong in this state; undefined when nothing is. */
  violation(): Promise<string | undefined>;
}

/** What a search has found. */
export interface Findings {
  readonly schedules: number;
  readonly states: number;
  /** The most steps that were taken one after the other. */
  readonly longest: number;
  /** How it came to the first violation, step by step. */
  readonly violation?: string;
}

/**
 * Searches all that can happen, or until something is wrong. In depth is faster; in breadth finds
 * the shortest way to what is wrong.
 */
export async function explore(
  create: () => Promise<World>,
  order: "depth" | "breadth" = "depth",
): Promise<Findings> {
  const seen = new Set<string>();
  const frontier: (readonly number[])[] = [[]];
  let [schedules, longest] = [0, 0];
  for (;;) {
    let schedule = order === "depth" ? frontier.pop() : frontier.shift();
    if (schedule === undefined) return { schedules, states: seen.size, longest };
    schedules++;
    const world = await replay(create, schedule);
    for (;;) {
      const state = world.fingerprint();
      if (seen.has(state)) break;
      seen.add(state);
      longest = Math.max(longest, schedule.length);
      const wrong = await world.violation();
      if (wrong !== undefined) {
        const violation = told([...world.story, `WRONG: ${wrong}`]);
        return { schedules, states: seen.size, longest, violation };
      }
      const path: readonly number[] = schedule;
      const further = [...world.steps().keys()].map((choice) => [...path, choice]);
      // In depth, the run goes on with one of the choices, and need not be replayed for it.
      const next = order === "depth" ? further.pop() : undefined;
      frontier.push(...further);
      if (next === undefined) break;
      schedule = next;
      await take(world, next.at(-1));
    }
  }
}

/** Lets every promise settle that waits for no step. */
export async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

async function replay(create: () => Promise<World>, schedule: readonly number[]): Promise<World> {
  const world = await create();
  for (const choice of schedule) await take(world, choice);
  return world;
}

async function take(world: World, choice: number | undefined): Promise<void> {
  const step = world.steps()[choice ?? -1];
  if (step === undefined) throw new Error("a replay went another way: chance or time leaked in");
  await step();
  await settled();
}

function told(story: readonly string[]): string {
  return story.map((line) => `  ${line}`).join("\n");
}
