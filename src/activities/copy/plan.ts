// Plans a copy once: columns, types, ranges. A copy that was planned before goes on with that plan.
import type {
  CopySink,
  CopySource,
  LedgerState,
  PlannedRanges,
  StoredPlan,
} from '../../connectors/connector.ts';
import type { CopyPlan } from '../../core/copy/activities.ts';
import { checkMapping } from '../../core/copy/mapping.ts';
import { incompatibleRows, parallelCopies, verifiesContent } from '../../core/copy/options.ts';
import type { CopyInput } from '../../core/copy.ts';
import { type CopyDependencies, hashOf, refuseOtherDefinition, withSink, withSource } from './endpoints.ts';
import { withHeartbeat } from './heartbeat.ts';
import { planIncremental, planParts } from './incremental.ts';
import { commonWire, notesFor, pairUp, refuseImpossible, type Target } from './prepare.ts';
import { logFolder } from './session-log.ts';

const makePlan = async (
  dependencies: CopyDependencies,
  input: CopyInput,
  source: CopySource,
  sink: CopySink,
  target: Target,
): Promise<LedgerState> => {
  const columns = await source.columns();
  const { mapped, sinkColumns } = await pairUp(input, columns, sink, target, (own) => sink.createTarget(own));
  checkMapping(mapped, sinkColumns, input.options['translator']);
  refuseImpossible(input, source, mapped);
  const verify = verifiesContent(input.options) && sink.verifies !== false;
  const incremental = await planIncremental(input, source, sink, columns, mapped);
  // Rows at a bound are told apart one by one: they must come as rows.
  const wire = incremental?.plan.remembers ? undefined : commonWire(input, source, sink, mapped);
  const parallel = parallelCopies(input.options, input.source.settings);
  const planPart = (part: CopySource): Promise<PlannedRanges> => part.plan(parallel, wire);
  const {
    ranges,
    rows,
    sourceState,
    files,
    notes = [],
  }: PlannedRanges = incremental === undefined
    ? await planPart(source)
    : await planParts(dependencies, input, incremental, planPart);
  const plan: StoredPlan = {
    columns: mapped,
    ...(wire === undefined ? {} : { wire }),
    ...(incompatibleRows(input.options).skip ? { skips: true } : {}),
    ...(incremental === undefined ? {} : { incremental: incremental.plan }),
    sourceState,
    rows,
    from: source.label,
    ...(files === undefined ? {} : { files }),
    verify,
    notes: [...notesFor(input, sink, { columns: mapped, verify, wire: wire !== undefined }), ...notes],
    inputHash: hashOf(input),
  };
  return sink.storePlan(plan, ranges);
};

/** Finds the copy's plan in the sink's ledger, or makes and stores it. Fences attempts made under an older epoch. */
export const planCopy = (dependencies: CopyDependencies, input: CopyInput): Promise<CopyPlan> =>
  withHeartbeat(
    () => 'planning',
    () =>
      withSink(dependencies, input, async (sink) => {
        const target = await sink.columns();
        const state =
          (await sink.resumePlan()) ??
          (await withSource(dependencies, input, (source) =>
            makePlan(dependencies, input, source, sink, target),
          ));
        const { plan } = state;
        refuseOtherDefinition(input, plan);
        const partitionColumn = plan.sourceState['partitionColumn'];
        const logPath = logFolder(input);
        return {
          chunks: state.chunks,
          rows: plan.rows,
          epoch: state.epoch,
          from: plan.from,
          to: sink.label,
          published: state.published,
          notes: [...plan.notes],
          verified: plan.verify,
          parallelCopies: parallelCopies(input.options, input.source.settings),
          ...(typeof partitionColumn === 'string' ? { partitionColumn } : {}),
          ...(plan.files === undefined ? {} : { files: plan.files }),
          ...(logPath === undefined ? {} : { logPath }),
        };
      }),
  );
