/** `policy simulate` says of each file what the kernel does. */

import { type Case, category, equal } from "../guest/case.ts";

const DENIED = ["secret", "hard", "soft", "tree/inner"];
const OPEN = ["open", "tree-other"];

/** The cases of `simulate`. */
export const simulations: Case[] = category("simulate", [
  {
    name: "agrees with the kernel about names, links and subtrees",
    kernels: ["6.1-bpf"],
    prepare: (t) => {
      const dir = t.dir();
      Deno.mkdirSync(`${dir}/tree`);
      for (const name of ["secret", "tree/inner", ...OPEN]) t.file(`${dir}/${name}`);
      Deno.linkSync(`${dir}/secret`, `${dir}/hard`);
      Deno.symlinkSync("secret", `${dir}/soft`);
      t.deny([`${dir}/secret`, `${dir}/tree/**`]);
    },
    run: async (t) => {
      const files = [...DENIED, ...OPEN].map((name) => `${t.dir()}/${name}`);
      const expected = [...DENIED.map(() => "EPERM"), ...OPEN.map(() => "ok")].join();
      equal(t.act.all(files.map((file) => ["open-read", file])).join(), expected, "what the kernel does");
      const list = `${t.dir()}/list`;
      Deno.writeTextFileSync(list, `${files.join("\n")}\n`);
      const report = await t.agent.json(
        1,
        "policy",
        "simulate",
        t.writePolicy({}),
        "--events",
        list,
        "--json",
      );
      equal(report.denied, DENIED.length, "denied");
      equal(report.allowed, OPEN.length, "let through");
      equal(report.bad.count, 0, "lines that were not judged");
    },
  },
]);
