/**
 * Looks that everything a module exports says what it is: `deno doc --lint` over ffi/ and src/. What it finds inside a
 * declaration is passed over: `uid: number` needs no sentence.
 *
 *   deno run --allow-read --allow-run scripts/documented.ts
 */

const MODULE = /^(?!.*(?:_test|test_support|test_receiver)\.ts$).*\.ts$/;

const modules = ["ffi", "src"].flatMap((folder) => [...modulesOf(folder)]);
const { stderr } = await new Deno.Command(Deno.execPath(), {
  args: ["doc", "--lint", ...modules],
  env: { NO_COLOR: "1" },
  stdout: "null",
}).output();
const found = new TextDecoder().decode(stderr).split(/^(?=error\[)/m).flatMap((report) => {
  const [, problem = "", place = ""] = /^error\[missing-jsdoc\]: (.*)\n *--> (.*:\d+):1$/m.exec(report) ?? [];
  return place === "" ? [] : [`${place}: ${problem}`];
});
for (const line of found) console.error(line);
if (modules.length === 0) console.error("no modules: run it in the project's folder");
Deno.exit(found.length > 0 || modules.length === 0 ? 1 : 0);

function* modulesOf(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* modulesOf(`${folder}/${name}`);
    else if (MODULE.test(name)) yield `${folder}/${name}`;
  }
}
