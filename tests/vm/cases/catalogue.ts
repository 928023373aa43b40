/** The catalogue: every case, by category. A new file of cases is named here. */

import type { Case } from "../guest/case.ts";
import { actions } from "./actions.ts";
import { handMade } from "./by_hand.ts";
import { callers } from "./callers.ts";
import { descriptors } from "./descriptors.ts";
import { direct } from "./direct.ts";
import { reporting } from "./events.ts";
import { exec } from "./exec.ts";
import { execOnly } from "./exec_only.ts";
import { exempt } from "./exempt.ts";
import { explanations } from "./explain.ts";
import { fallback } from "./fallback.ts";
import { faults } from "./faults.ts";
import { filesystems } from "./filesystems.ts";
import { lives } from "./life.ts";
import { names } from "./names.ts";
import { operations } from "./operations.ts";
import { overlays } from "./overlay.ts";
import { paths } from "./paths.ts";
import { places } from "./places.ts";
import { proofs } from "./prove.ts";
import { races } from "./races.ts";
import { rings } from "./ring.ts";
import { rollouts } from "./rollout.ts";
import { simulations } from "./simulate.ts";
import { subtree } from "./subtree.ts";
import { views } from "./views.ts";

/** All cases, in the order in which they run. */
export const catalogue: readonly Case[] = [
  ...direct,
  ...names,
  ...views,
  ...descriptors,
  ...exec,
  ...execOnly,
  ...places,
  ...paths,
  ...operations,
  ...subtree,
  ...callers,
  ...actions,
  ...filesystems,
  ...overlays,
  ...exempt,
  ...reporting,
  ...explanations,
  ...races,
  ...proofs,
  ...simulations,
  ...lives,
  ...faults,
  ...rollouts,
  ...handMade,
  ...fallback,
  ...rings,
];
