import { Problems } from "../base/errors.ts";

/** A pattern as a test of names: `*` stands for any letters but `/`, `**` for any; what it names holds everything below. */
function matcher(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*|\*)/);
  const source = parts.map((part) => (part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&")));
  return new RegExp(`^${source.join("")}(/.*)?$`);
}

const patternsOf = (text: string): string[] => text.split(/[\s,]+/).filter((pattern) => pattern !== "");

/** The option `frozen` as a test of names. */
export function frozenBy(frozen: string | ((parameter: string) => boolean) | undefined): ((parameter: string) => boolean) | undefined {
  if (typeof frozen !== "string") return frozen;
  const tests = patternsOf(frozen).map(matcher);
  return (name) => tests.some((test) => test.test(name));
}

/** Throws: ToeplitzError when a pattern names no parameter, or nothing is left to train. */
export function checkFrozen(
  where: string,
  frozen: unknown,
  parameters: readonly { readonly name: string; readonly frozen: boolean }[],
): void {
  const problems = new Problems("fit", where);
  const names = parameters.map(({ name }) => name);
  const patterns = typeof frozen === "string" ? patternsOf(frozen) : [];
  for (const pattern of patterns) {
    const test = matcher(pattern);
    const layers = [...new Set(names.map((name) => name.slice(0, Math.max(0, name.lastIndexOf("/"))) || name))];
    problems.check(
      names.some((name) => test.test(name)),
      "frozen",
      `names or patterns of ${layers.join(", ")}`,
      pattern,
    );
  }
  const isAll = parameters.length > 0 && parameters.every((parameter) => parameter.frozen);
  problems.check(frozen === undefined || !isAll, "frozen", "at least 1 parameter to train", `all ${parameters.length} parameters`);
  problems.throwIfAny();
}
