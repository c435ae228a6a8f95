// Operations on whole clusters: run, describe, list, end, and their switches.
import { z } from 'zod';
import { notImplemented, validation } from '../errors.ts';
import { clusterArn, newId } from '../identifiers.ts';
import { parseS3Uri } from '../object-store.ts';
import { clusterId, marker, runJobFlow } from '../shapes.ts';
import { type ClusterRecord, isEnding, nowSeconds } from '../state.ts';
import {
  checkConcurrency,
  checkIdleTimeout,
  checkInstances,
  checkManagedScaling,
  checkSteps,
  parseInput,
} from '../validation.ts';
import { type Operation, page } from './context.ts';

/** Members of RunJobFlow that DescribeCluster answers unchanged. */
const KEPT = [
  'ReleaseLabel',
  'Applications',
  'ServiceRole',
  'SecurityConfiguration',
  'AutoScalingRole',
  'CustomAmiId',
  'EbsRootVolumeSize',
  'EbsRootVolumeIops',
  'EbsRootVolumeThroughput',
  'KerberosAttributes',
  'RepoUpgradeOnBoot',
  'OSReleaseLabel',
  'LogEncryptionKmsKeyId',
] as const;
const MOST_PER_CALL = 10;

const jobFlowIds = z.object({ JobFlowIds: z.array(z.string()) });

export const clusterOperations: Record<string, Operation> = {
  RunJobFlow(input, { store, create }) {
    const record = newCluster(parseInput(runJobFlow, input));
    const life = create(record);
    const steps = parseInput(runJobFlow, input).Steps ?? [];
    const stepRecords = steps.length
      ? life.addSteps(steps, parseInput(runJobFlow, input).StepExecutionRoleArn)
      : [];
    const { Id, Name, ClusterArn } = record.view;
    store.logRequest({
      operation: 'RunJobFlow',
      name: Name,
      clusterId: Id,
      ids: [Id, ...stepRecords.map((step) => step.view.Id)],
      names: [Name, ...stepRecords.map((step) => step.view.Name)],
    });
    void life.start();
    return { JobFlowId: Id, ClusterArn };
  },

  DescribeCluster(input, { store }) {
    return { Cluster: store.cluster(parseInput(z.object({ ClusterId: clusterId }), input).ClusterId).view };
  },

  ListClusters(input, { store }) {
    const query = parseInput(
      z.object({
        CreatedAfter: z.number().optional(),
        CreatedBefore: z.number().optional(),
        ClusterStates: z.array(z.string()).optional(),
        Marker: marker,
      }),
      input ?? {},
    );
    const matching = store
      .all()
      .map(({ view }) => view)
      .filter(({ Status: { State, Timeline } }) => {
        const created = Timeline.CreationDateTime;
        return (
          (!query.ClusterStates?.length || query.ClusterStates.includes(State)) &&
          created >= (query.CreatedAfter ?? 0) &&
          created <= (query.CreatedBefore ?? Number.POSITIVE_INFINITY)
        );
      })
      .reverse();
    const { items, next } = page(matching, query.Marker);
    const Clusters = items.map(({ Id, Name, Status, ClusterArn }) => ({
      Id,
      Name,
      Status,
      ClusterArn,
      NormalizedInstanceHours: 0,
    }));
    return { Clusters, ...next };
  },

  TerminateJobFlows(input, { store, life }) {
    const { JobFlowIds } = parseInput(jobFlowIds, input);
    if (JobFlowIds.length > MOST_PER_CALL)
      throw validation(`At most ${MOST_PER_CALL} job flows end in one request.`);
    const records = JobFlowIds.map((id) => store.jobFlow(id));
    // All clusters are in one availability zone here, so one that is protected keeps the others: EMR's rule.
    if (records.some((record) => record.view.TerminationProtected && !isEnding(record))) {
      throw validation('Could not shut down one or more job flows since they are termination protected.');
    }
    for (const record of records) {
      const { Id, Name } = record.view;
      store.logRequest({
        operation: 'TerminateJobFlows',
        name: Name,
        clusterId: Id,
        ids: [Id],
        names: [Name],
      });
      life(record).end({ Code: 'USER_REQUEST', Message: 'Terminated by user request' });
    }
    return undefined;
  },

  SetTerminationProtection(input, { store, life }) {
    const shape = jobFlowIds.extend({ TerminationProtected: z.boolean() });
    const { JobFlowIds, TerminationProtected } = parseInput(shape, input);
    for (const record of JobFlowIds.map((id) => store.jobFlow(id))) {
      record.view.TerminationProtected = TerminationProtected;
      life(record).settingsChanged();
    }
    return undefined;
  },

  SetKeepJobFlowAliveWhenNoSteps(input, { store, life }) {
    const shape = jobFlowIds.extend({ KeepJobFlowAliveWhenNoSteps: z.boolean() });
    const { JobFlowIds, KeepJobFlowAliveWhenNoSteps } = parseInput(shape, input);
    for (const record of JobFlowIds.map((id) => store.jobFlow(id))) {
      record.view.AutoTerminate = !KeepJobFlowAliveWhenNoSteps;
      life(record).settingsChanged();
    }
    return undefined;
  },

  ModifyCluster(input, { store, life }) {
    const shape = z.object({
      ClusterId: clusterId,
      StepConcurrencyLevel: z.number().optional(),
      ExtendedSupport: z.boolean().optional(),
    });
    const query = parseInput(shape, input);
    const record = store.cluster(query.ClusterId);
    if (query.StepConcurrencyLevel !== undefined) {
      checkConcurrency(query.StepConcurrencyLevel);
      record.view.StepConcurrencyLevel = query.StepConcurrencyLevel;
    }
    life(record).settingsChanged();
    return { StepConcurrencyLevel: record.view.StepConcurrencyLevel };
  },

  DescribeJobFlows() {
    throw notImplemented(
      'DescribeJobFlows',
      'it is deprecated; use ListClusters, DescribeCluster and ListSteps',
    );
  },
};

function newCluster(input: z.infer<typeof runJobFlow>): ClusterRecord {
  const { Instances, ManagedScalingPolicy, AutoTerminationPolicy } = input;
  const fleets = Instances.InstanceFleets;
  const groups = fleets?.length
    ? Instances.InstanceGroups
    : (Instances.InstanceGroups ?? uniformGroups(Instances));
  checkInstances(fleets, groups);
  if (!input.ServiceRole) throw validation('ServiceRole is required for creating cluster.');
  if (!input.JobFlowRole) throw validation('InstanceProfile is required for creating cluster.');
  if (!/^emr-\d+\.\d+\.\d+$/.test(input.ReleaseLabel ?? '')) {
    throw validation(`The supplied release label is invalid: ${input.ReleaseLabel ?? ''}.`);
  }
  const concurrency = input.StepConcurrencyLevel ?? 1;
  checkConcurrency(concurrency);
  checkSteps(input.Steps ?? [], concurrency, 0);
  if (ManagedScalingPolicy) checkManagedScaling(ManagedScalingPolicy, Boolean(fleets?.length));
  const logUri = input.LogUri && checkLogUri(input.LogUri);

  const Id = newId('j-');
  const createdAt = nowSeconds();
  const kept = Object.fromEntries(
    KEPT.filter((name) => input[name] !== undefined).map((name) => [name, input[name]]),
  );
  const subnet = Instances.Ec2SubnetId ?? Instances.Ec2SubnetIds?.[0];
  return {
    view: {
      ...kept,
      Id,
      Name: input.Name,
      ClusterArn: clusterArn(Id),
      Status: { State: 'STARTING', StateChangeReason: {}, Timeline: { CreationDateTime: createdAt } },
      AutoTerminate: !(Instances.KeepJobFlowAliveWhenNoSteps ?? false),
      TerminationProtected: Instances.TerminationProtected ?? false,
      VisibleToAllUsers: true,
      NormalizedInstanceHours: 0,
      StepConcurrencyLevel: concurrency,
      ScaleDownBehavior: input['ScaleDownBehavior'] ?? 'TERMINATE_AT_TASK_COMPLETION',
      InstanceCollectionType: fleets?.length ? 'INSTANCE_FLEET' : 'INSTANCE_GROUP',
      Ec2InstanceAttributes: {
        IamInstanceProfile: input.JobFlowRole,
        ...(subnet && { Ec2SubnetId: subnet }),
        ...(Instances.Ec2KeyName && { Ec2KeyName: Instances.Ec2KeyName }),
      },
      MasterPublicDnsName: 'localhost',
      Tags: input.Tags ?? [],
      Configurations: input.Configurations ?? [],
      // EMR answers the log location with the s3n scheme, whatever scheme it was given with.
      ...(logUri && { LogUri: `${logUri.replace(/^s3:/, 's3n:')}/` }),
    },
    ...(logUri && { logUri }),
    steps: [],
    fleets: (fleets ?? []).map((config) => ({ id: newId('if-'), createdAt, config })),
    groups: (groups ?? []).map((config) => ({
      id: newId('ig-'),
      createdAt,
      config,
      ...(config.AutoScalingPolicy && { autoScaling: config.AutoScalingPolicy }),
    })),
    bootstrapActions: input.BootstrapActions ?? [],
    ...(ManagedScalingPolicy && { managedScaling: ManagedScalingPolicy }),
    ...(AutoTerminationPolicy && { idleTimeout: checkIdleTimeout(AutoTerminationPolicy.IdleTimeout) }),
  };
}

/** The older form: instance types and a count, of which one is the master. */
function uniformGroups(
  instances: z.infer<typeof runJobFlow>['Instances'],
): ClusterRecord['groups'][number]['config'][] {
  const { MasterInstanceType, SlaveInstanceType, InstanceCount = 1 } = instances;
  if (!MasterInstanceType) return [];
  const master = { InstanceRole: 'MASTER' as const, InstanceType: MasterInstanceType, InstanceCount: 1 };
  if (InstanceCount < 2) return [master];
  return [
    master,
    {
      InstanceRole: 'CORE' as const,
      InstanceType: SlaveInstanceType ?? MasterInstanceType,
      InstanceCount: InstanceCount - 1,
    },
  ];
}

function checkLogUri(uri: string): string {
  const at = parseS3Uri(uri);
  if (!at) throw validation(`LogUri '${uri}' is not an S3 location.`);
  return `s3://${at.bucket}/${at.key}`.replace(/\/+$/, '');
}
