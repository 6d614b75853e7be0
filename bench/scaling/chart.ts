/** The chart of the results: what every setting that was tried costs, and how late it makes messages. */
import { GATE, type Setting } from "./grid.ts";
import { brief } from "./measure.ts";
import type { Results } from "./results.ts";
import { type Line, type Panel, type Point, scatter } from "./scatter.ts";

/** As SVG. */
export function chart({ policies, grids }: Results): string {
  const compared = Object.values(policies).map((all) => all.map((each) => brief(each)));
  const chosen = new Set(compared.flat().map(({ policy }) => policy));
  const startUps = [...new Set(compared.flat().map(({ startUpS }) => startUpS))];
  const inGrids = new Set(
    grids.flatMap(({ settings }) => settings.flat()).map(({ policy }) => policy),
  );
  // Those that have no settings to try are points by themselves.
  const others = compared.filter((setting) => setting.every(({ policy }) => !inGrids.has(policy)));
  const families = [
    ...grids.map(({ family, settings }) => ({ name: family, settings })),
    ...others.map((setting) => ({ name: setting[0]?.policy ?? "", settings: [setting] })),
  ];
  const lineOf = (name: string, settings: readonly Setting[], startUpS: number): Line => {
    const at = settings.flat().filter((each) => each.startUpS === startUpS);
    const points = at.map(
      ({ policy, overSlo, replicas }): Point => ({
        replicas,
        overSlo,
        title: `${policy}: ${overSlo.toFixed(2)} % too late, ${replicas.toFixed(1)} replicas`,
        chosen: chosen.has(policy),
      }),
    );
    return { name, points };
  };
  return scatter(
    startUps.map((startUpS): Panel => {
      const heading = `time in which a message is late, start-up ${startUpS} s`;
      const lines = families.map(({ name, settings }) => lineOf(name, settings, startUpS));
      return { heading, lines, gate: GATE[startUpS] ?? 0 };
    }),
  );
}
