// Operations on scaling and termination policies. Scaling policies are kept and answered; with one machine there is
// nothing to scale. Auto-termination is enforced.
import { z } from 'zod';
import { invalidRequest } from '../errors.ts';
import { clusterArn } from '../identifiers.ts';
import { autoScaling, autoTermination, clusterId, managedScaling } from '../shapes.ts';
import { type GroupRecord, nowSeconds } from '../state.ts';
import type { Store } from '../store.ts';
import { checkIdleTimeout, checkManagedScaling, parseInput } from '../validation.ts';
import type { Operation } from './context.ts';

const ofCluster = z.object({ ClusterId: clusterId });
const ofGroup = z.object({ ClusterId: clusterId, InstanceGroupId: z.string() });

export const policyOperations: Record<string, Operation> = {
  PutManagedScalingPolicy(input, { store, life }) {
    const shape = ofCluster.extend({ ManagedScalingPolicy: managedScaling });
    const { ClusterId, ManagedScalingPolicy } = parseInput(shape, input);
    const record = store.cluster(ClusterId);
    checkManagedScaling(ManagedScalingPolicy, record.view.InstanceCollectionType === 'INSTANCE_FLEET');
    record.managedScaling = ManagedScalingPolicy;
    life(record).settingsChanged();
    return {};
  },

  GetManagedScalingPolicy(input, { store }) {
    const { managedScaling: policy } = store.cluster(parseInput(ofCluster, input).ClusterId);
    return policy ? { ManagedScalingPolicy: policy } : {};
  },

  RemoveManagedScalingPolicy(input, { store, life }) {
    const record = store.cluster(parseInput(ofCluster, input).ClusterId);
    delete record.managedScaling;
    life(record).settingsChanged();
    return {};
  },

  PutAutoScalingPolicy(input, { store, life }) {
    const { ClusterId, InstanceGroupId, AutoScalingPolicy } = parseInput(
      ofGroup.extend({ AutoScalingPolicy: autoScaling }),
      input,
    );
    groupOf(store, ClusterId, InstanceGroupId).autoScaling = AutoScalingPolicy;
    life(store.cluster(ClusterId)).settingsChanged();
    const attached = { Status: { State: 'ATTACHED' }, ...AutoScalingPolicy };
    return { ClusterId, InstanceGroupId, AutoScalingPolicy: attached, ClusterArn: clusterArn(ClusterId) };
  },

  RemoveAutoScalingPolicy(input, { store, life }) {
    const { ClusterId, InstanceGroupId } = parseInput(ofGroup, input);
    delete groupOf(store, ClusterId, InstanceGroupId).autoScaling;
    life(store.cluster(ClusterId)).settingsChanged();
    return {};
  },

  PutAutoTerminationPolicy(input, { store, life }) {
    const shape = ofCluster.extend({ AutoTerminationPolicy: autoTermination });
    const { ClusterId, AutoTerminationPolicy } = parseInput(shape, input);
    const record = store.cluster(ClusterId);
    record.idleTimeout = checkIdleTimeout(AutoTerminationPolicy.IdleTimeout);
    if (record.idleSince !== undefined) record.idleSince = nowSeconds();
    life(record).settingsChanged();
    return {};
  },

  GetAutoTerminationPolicy(input, { store }) {
    const { idleTimeout } = store.cluster(parseInput(ofCluster, input).ClusterId);
    return idleTimeout === undefined ? {} : { AutoTerminationPolicy: { IdleTimeout: idleTimeout } };
  },

  RemoveAutoTerminationPolicy(input, { store, life }) {
    const record = store.cluster(parseInput(ofCluster, input).ClusterId);
    delete record.idleTimeout;
    life(record).settingsChanged();
    return {};
  },
};

function groupOf(store: Store, clusterId: string, groupId: string): GroupRecord {
  const group = store.cluster(clusterId).groups.find(({ id }) => id === groupId);
  if (!group) throw invalidRequest(`Instance group id '${groupId}' is not valid.`);
  return group;
}
