/** The chart of the results: what every setting that was tried costs, and how late it makes messages. */
import { GATE } from "./grid.ts";
import type { Results } from "./results.ts";
import { type Line, type Panel, type Point, scatter } from "./scatter.ts";

/** As SVG. */
export function chart({ policies, grids }: Results): string {
  const all = Object.values(policies);
  const chosen = new Set(all.flat().map(({ policy }) => policy));
  const startUps = [...new Set(all.flat().map(({ startUpS }) => startUpS))];
  const inGrids = new Set(
    grids.flatMap(({ settings }) => settings.flat()).map(({ policy }) => policy),
  );
  // Those that have no settings to try are points by themselves.
  const others = all.filter((setting) => setting.every(({ policy }) => !inGrids.has(policy)));
  const families = [
    ...grids.map(({ family, settings }) => ({ name: family, settings })),
    ...others.map((setting) => ({ name: setting[0]?.policy ?? "", settings: [setting] })),
  ];
  return scatter(
    startUps.map((startUpS): Panel => {
      const lines = families.map(({ name, settings }): Line => {
        const points = settings.flatMap((setting) =>
          setting
            .filter((outcome) => outcome.startUpS === startUpS)
            .map(
              ({ policy, all: { replicas, overSlo } }): Point => ({
                replicas: replicas.mean,
                overSlo: overSlo.mean,
                title: `${policy}: ${overSlo.mean.toFixed(2)} % too late, ${replicas.mean.toFixed(1)} replicas`,
                chosen: chosen.has(policy),
              }),
            ),
        );
        return { name, points: points.sort((a, b) => a.replicas - b.replicas) };
      });
      const heading = `time in which a message is late, start-up ${startUpS} s`;
      return { heading, lines, gate: GATE[startUpS] ?? 0 };
    }),
  );
}
