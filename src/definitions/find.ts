// Which definition a name stands for: a pipeline or a lakehouse pipeline of the factory.
import { WaybillError } from '../core/errors.ts';
import { nearestName } from '../core/nearest-name.ts';
import { readFactory } from './factory.ts';

export interface FoundDefinition {
  readonly kind: 'pipeline' | 'lakehouse';
  /** As the definition spells it. */
  readonly name: string;
}

/** Looks the name up in the factory. Throws REFERENCE_MISSING with the nearest name there is. */
export function findDefinition(
  settings: { readonly factoryDirectory: string },
  name: string,
): FoundDefinition {
  const factory = readFactory(settings.factoryDirectory);
  for (const kind of ['pipeline', 'lakehouse'] as const) {
    const resource = factory.find(kind, name);
    if (resource !== undefined) return { kind, name: resource.name };
  }
  const names = [...factory.names('pipeline'), ...factory.names('lakehouse')];
  const nearest = nearestName(name, names);
  const hint =
    nearest === undefined ? `There are: ${names.join(', ') || 'none'}.` : `The nearest name is "${nearest}".`;
  throw new WaybillError(
    'REFERENCE_MISSING',
    `No pipeline or lakehouse pipeline "${name}" in ${settings.factoryDirectory}. ${hint}`,
    { name },
  );
}
