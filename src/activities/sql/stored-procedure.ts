// SqlServerStoredProcedure: calls a procedure; its results are not looked at.
import { textSetting } from '../../connectors/common/settings.ts';
import { WaybillError } from '../../core/errors.ts';
import { requiredLinkedService, type TaskInput, type TaskResult } from '../../core/pipeline/task.ts';
import { namedParameters } from './parameters.ts';
import { type SqlDependencies, withSession } from './session.ts';

export async function storedProcedure(dependencies: SqlDependencies, input: TaskInput): Promise<TaskResult> {
  const { typeProperties } = input;
  const procedure = textSetting(typeProperties, 'storedProcedureName');
  if (procedure === undefined)
    throw new WaybillError('DEFINITION_INVALID', '"storedProcedureName" is empty.', {
      key: 'storedProcedureName',
    });
  const parameters = namedParameters(typeProperties['storedProcedureParameters']);
  const began = Date.now();
  const request = { linkedService: requiredLinkedService(input), tag: input.attemptKey, patient: true };
  await withSession(dependencies, request, async ({ commands }) => {
    if (commands.call === undefined) {
      throw new WaybillError(
        'DEFINITION_UNSUPPORTED',
        `Stored Procedure activities call procedures of SQL Server, not of ${commands.product}: use a Script activity.`,
        { product: commands.product },
      );
    }
    await commands.call(procedure, parameters, { maxRows: 0, stopEarly: false });
  });
  return { output: { executionDuration: Math.round((Date.now() - began) / 1000) } };
}
