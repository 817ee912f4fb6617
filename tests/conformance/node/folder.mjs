// What the two runners share: the files of a folder in order, and how a verdict is printed.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export function* jsonFiles(folder) {
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.json'));
  for (const name of names.sort()) {
    yield [name, readFileSync(join(folder, name), 'utf-8')];
  }
}

export function print(file, issues) {
  process.stdout.write(JSON.stringify({ file, issues }) + '\n');
}
