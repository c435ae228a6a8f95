// Operations on what a cluster is made of: fleets, groups, instances, bootstrap actions.
import { z } from 'zod';
import { fleetView, groupView, instanceViews } from '../capacity.ts';
import { invalidRequest, validation } from '../errors.ts';
import { clusterArn, newId } from '../identifiers.ts';
import { clusterId, instanceFleet, instanceGroup, marker } from '../shapes.ts';
import { type ClusterRecord, isEnding, nowSeconds } from '../state.ts';
import { checkFleet, parseInput } from '../validation.ts';
import { type Operation, page } from './context.ts';

const ofCluster = z.object({ ClusterId: clusterId, Marker: marker });

export const capacityOperations: Record<string, Operation> = {
  ListInstanceFleets(input, { store }) {
    const { ClusterId, Marker } = parseInput(ofCluster, input);
    const record = store.cluster(ClusterId);
    if (record.view.InstanceCollectionType !== 'INSTANCE_FLEET') {
      throw invalidRequest(
        'Instance fleets and instance groups are mutually exclusive; this cluster uses groups.',
      );
    }
    const { items, next } = page(record.fleets, Marker);
    return { InstanceFleets: items.map((fleet) => fleetView(record, fleet)), ...next };
  },

  ListInstanceGroups(input, { store }) {
    const { ClusterId, Marker } = parseInput(ofCluster, input);
    const record = store.cluster(ClusterId);
    if (record.view.InstanceCollectionType !== 'INSTANCE_GROUP') {
      throw invalidRequest(
        'Instance fleets and instance groups are mutually exclusive; this cluster uses fleets.',
      );
    }
    const { items, next } = page(record.groups, Marker);
    return { InstanceGroups: items.map((group) => groupView(record, group)), ...next };
  },

  ListInstances(input, { store }) {
    const shape = ofCluster.extend({
      InstanceGroupId: z.string().optional(),
      InstanceFleetId: z.string().optional(),
      InstanceGroupTypes: z.array(z.string()).optional(),
      InstanceFleetType: z.string().optional(),
      InstanceStates: z.array(z.string()).optional(),
    });
    const query = parseInput(shape, input);
    const record = store.cluster(query.ClusterId);
    const fleetType = (id: string | undefined) =>
      record.fleets.find((fleet) => fleet.id === id)?.config.InstanceFleetType;
    const groupType = (id: string | undefined) =>
      record.groups.find((group) => group.id === id)?.config.InstanceRole;
    const matching = instanceViews(record).filter(
      (instance) =>
        (!query.InstanceFleetId || instance.InstanceFleetId === query.InstanceFleetId) &&
        (!query.InstanceGroupId || instance.InstanceGroupId === query.InstanceGroupId) &&
        (!query.InstanceFleetType || fleetType(instance.InstanceFleetId) === query.InstanceFleetType) &&
        (!query.InstanceGroupTypes?.length ||
          query.InstanceGroupTypes.includes(groupType(instance.InstanceGroupId) ?? '')) &&
        (!query.InstanceStates?.length || query.InstanceStates.includes(instance.Status.State)),
    );
    const { items, next } = page(matching, query.Marker);
    return { Instances: items, ...next };
  },

  ListBootstrapActions(input, { store }) {
    const { ClusterId, Marker } = parseInput(ofCluster, input);
    const { items, next } = page(store.cluster(ClusterId).bootstrapActions, Marker);
    const BootstrapActions = items.map(({ Name, ScriptBootstrapAction }) => ({
      Name,
      ScriptPath: ScriptBootstrapAction?.Path,
      Args: ScriptBootstrapAction?.Args ?? [],
    }));
    return { BootstrapActions, ...next };
  },

  AddInstanceFleet(input, { store, life }) {
    const { ClusterId, InstanceFleet } = parseInput(
      z.object({ ClusterId: clusterId, InstanceFleet: instanceFleet }),
      input,
    );
    const record = modifiable(store.cluster(ClusterId), 'INSTANCE_FLEET');
    checkFleet(InstanceFleet);
    if (record.fleets.some(({ config }) => config.InstanceFleetType === InstanceFleet.InstanceFleetType)) {
      throw invalidRequest(`The cluster has a ${InstanceFleet.InstanceFleetType} instance fleet already.`);
    }
    const id = newId('if-');
    record.fleets.push({ id, createdAt: nowSeconds(), config: InstanceFleet });
    life(record).settingsChanged();
    return { ClusterId, InstanceFleetId: id, ClusterArn: clusterArn(ClusterId) };
  },

  ModifyInstanceFleet(input, { store, life }) {
    const shape = z.object({
      ClusterId: clusterId,
      InstanceFleet: z.looseObject({
        InstanceFleetId: z.string(),
        TargetOnDemandCapacity: z.number().int().min(0).optional(),
        TargetSpotCapacity: z.number().int().min(0).optional(),
      }),
    });
    const { ClusterId, InstanceFleet } = parseInput(shape, input);
    const record = modifiable(store.cluster(ClusterId), 'INSTANCE_FLEET');
    const { InstanceFleetId, ...changes } = InstanceFleet;
    const fleet = record.fleets.find(({ id }) => id === InstanceFleetId);
    if (!fleet) throw invalidRequest(`Instance fleet id '${InstanceFleetId}' is not valid.`);
    fleet.config = { ...fleet.config, ...changes } as typeof fleet.config;
    life(record).settingsChanged();
    return undefined;
  },

  AddInstanceGroups(input, { store, life }) {
    const { JobFlowId, InstanceGroups } = parseInput(
      z.object({ JobFlowId: z.string(), InstanceGroups: z.array(instanceGroup) }),
      input,
    );
    const record = modifiable(store.jobFlow(JobFlowId), 'INSTANCE_GROUP');
    if (InstanceGroups.some(({ InstanceRole }) => InstanceRole !== 'TASK')) {
      throw validation('Only TASK instance groups can be added to a running cluster.');
    }
    const added = InstanceGroups.map((config) => ({ id: newId('ig-'), createdAt: nowSeconds(), config }));
    record.groups.push(...added);
    life(record).settingsChanged();
    return { JobFlowId, InstanceGroupIds: added.map(({ id }) => id), ClusterArn: clusterArn(JobFlowId) };
  },

  ModifyInstanceGroups(input, { store, life }) {
    const shape = z.object({
      ClusterId: z.string().optional(),
      InstanceGroups: z.array(
        z.looseObject({ InstanceGroupId: z.string(), InstanceCount: z.number().int().min(0).optional() }),
      ),
    });
    const { ClusterId, InstanceGroups } = parseInput(shape, input);
    const found = InstanceGroups.map(({ InstanceGroupId, InstanceCount }) => {
      const record = store.all().find(({ groups }) => groups.some(({ id }) => id === InstanceGroupId));
      const group = record?.groups.find(({ id }) => id === InstanceGroupId);
      if (!record || !group || (ClusterId && record.view.Id !== ClusterId)) {
        throw invalidRequest(`Instance group id '${InstanceGroupId}' is not valid.`);
      }
      return { record: modifiable(record, 'INSTANCE_GROUP'), group, InstanceCount };
    });
    for (const { record, group, InstanceCount } of found) {
      if (InstanceCount !== undefined) group.config = { ...group.config, InstanceCount };
      life(record).settingsChanged();
    }
    return undefined;
  },
};

function modifiable(record: ClusterRecord, kind: 'INSTANCE_FLEET' | 'INSTANCE_GROUP'): ClusterRecord {
  if (isEnding(record)) {
    throw invalidRequest(
      'An instance group or fleet may only be modified when the cluster is running or waiting.',
    );
  }
  if (record.view.InstanceCollectionType !== kind) {
    throw invalidRequest(
      `Instance fleets and instance groups are mutually exclusive; this cluster uses ${record.view.InstanceCollectionType}.`,
    );
  }
  return record;
}
