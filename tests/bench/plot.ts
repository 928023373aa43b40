/**
 * Small line plots as SVG, for documents. The libraries that draw them need a browser's document, or are a hundred times
 * the size of what these pages show.
 *
 * @module
 */

/** One line of a plot. */
export interface Line {
  readonly name: string;
  /** In ascending order of x. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What is drawn. */
export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Whether steps along an axis multiply. Default: not. */
  readonly log?: { readonly x?: boolean; readonly y?: boolean };
  readonly lines: readonly Line[];
}

const [WIDTH, HEIGHT] = [480, 280];
const [LEFT, RIGHT, TOP, BOTTOM] = [64, 12, 34, 42];
/** Readable on white and on black, also by who confuses red and green. */
const COLOURS = ["#0969da", "#bc4c00", "#1a7f37", "#8250df"];
const STYLE = "text{font:11px sans-serif;fill:#57606a}.title{font-weight:bold}.grid{stroke:#8b949e55}" +
  "polyline{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#8b949e}}";

/** The plot as an SVG document. */
export function svg({ title, x, y, log, lines }: Plot): string {
  const points = lines.flatMap((line) => line.points);
  const across = axis(points.map(([at]) => at), log?.x === true, [LEFT, WIDTH - RIGHT]);
  const up = axis([...points.map(([, at]) => at), ...(log?.y ? [] : [0])], log?.y === true, [
    HEIGHT - BOTTOM,
    TOP,
  ]);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" role="img">`,
    `<title>${escaped(title)}</title><style>${STYLE}</style>`,
    text(LEFT, 14, title, "start", ' class="title"'),
    text(WIDTH - RIGHT, HEIGHT - 6, x, "end"),
    text(LEFT, 28, y, "start"),
    ...up.ticks.flatMap((tick) => [
      `<path class="grid" d="M${LEFT} ${up.place(tick)}H${WIDTH - RIGHT}"/>`,
      text(LEFT - 6, up.place(tick) + 4, label(tick), "end"),
    ]),
    ...across.ticks.map((tick) => text(across.place(tick), HEIGHT - BOTTOM + 16, label(tick), "middle")),
    ...lines.flatMap((line, index) => drawn(line, index, across.place, up.place)),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

function drawn(line: Line, index: number, across: Place, up: Place): string[] {
  const colour = COLOURS[index % COLOURS.length];
  const places = line.points.map(([x, y]) => [across(x), up(y)] as const);
  const named = HEIGHT - 6;
  const left = LEFT + index * 110;
  return [
    `<polyline stroke="${colour}" points="${places.map((place) => place.join()).join(" ")}"/>`,
    ...places.map(([x, y]) => `<circle cx="${x}" cy="${y}" r="3" fill="${colour}"/>`),
    `<circle cx="${left}" cy="${named - 4}" r="3" fill="${colour}"/>`,
    text(left + 7, named, line.name, "start"),
  ];
}

type Place = (value: number) => number;

/** Where values lie between two edges, and the round values to name. */
function axis(values: readonly number[], log: boolean, [from, to]: [number, number]): {
  readonly ticks: readonly number[];
  readonly place: Place;
} {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const ticks = log ? powers(least, most) : steps(least, most);
  const scale = log ? Math.log10 : (value: number) => value;
  const low = Math.min(least, ticks[0] ?? least), high = Math.max(most, ticks.at(-1) ?? most);
  const span = scale(high) - scale(low) || 1;
  return { ticks, place: (value) => round(from + (scale(value) - scale(low)) / span * (to - from)) };
}

function powers(least: number, most: number): number[] {
  const first = Math.floor(Math.log10(least));
  const count = Math.max(1, Math.ceil(Math.log10(most)) - first);
  return Array.from({ length: count + 1 }, (_, step) => 10 ** (first + step));
}

function steps(least: number, most: number): number[] {
  const rough = (most - least || 1) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((times) => times * power >= rough) ?? 10);
  const first = Math.floor(least / step), last = Math.ceil(most / step);
  return Array.from(
    { length: last - first + 1 },
    (_, index) => Number(((first + index) * step).toPrecision(6)),
  );
}

function text(x: number, y: number, content: string, anchor: string, attributes = ""): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}"${attributes}>${escaped(content)}</text>`;
}

function label(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 3 });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
