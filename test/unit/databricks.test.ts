// Databricks without a service: what a linked service and a profile become, which tokens are asked for, when a request is
// sent again.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { DatabricksClient, isAmbiguous } from '../../src/compute/databricks/client.ts';
import { createInput } from '../../src/compute/databricks/cluster-input.ts';
import { databricksService } from '../../src/compute/databricks/linked-service.ts';
import { principalTokens } from '../../src/compute/databricks/tokens.ts';
import { databricksWorkspace } from '../../src/compute/databricks/workspace.ts';
import { WaybillError } from '../../src/core/errors.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { nextDatabricksLook } from '../../src/core/pipeline/databricks-run.ts';

const service = (properties: JsonObject) =>
  databricksService({ name: 'ls', type: 'AzureDatabricks', properties });
const fails = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof WaybillError);
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

describe('linked service AzureDatabricks', () => {
  const domain = 'https://adb-1.2.azuredatabricks.net/';

  it('names a cluster that is there, or one that a run makes for itself', () => {
    assert.deepEqual(service({ domain, accessToken: 't', existingClusterId: '0101-a' }), {
      host: 'https://adb-1.2.azuredatabricks.net',
      identity: { kind: 'token', token: 't' },
      cluster: { existing_cluster_id: '0101-a' },
    });
    const { cluster } = service({
      domain,
      accessToken: 't',
      existingClusterId: '',
      newClusterVersion: '17.3.x-scala2.13',
      newClusterNumOfWorker: '2:8',
      newClusterNodeType: 'Standard_DS3_v2',
      newClusterSparkConf: { 'spark.speculation': true },
      newClusterSparkEnvVars: { A: 'b' },
      newClusterCustomTags: { team: 'x' },
      newClusterInitScripts: ['/Workspace/init.sh', 'dbfs:/init.sh', '/Volumes/a/b/c.sh'],
      policyId: 'p',
    });
    assert.deepEqual(cluster, {
      new_cluster: {
        spark_version: '17.3.x-scala2.13',
        node_type_id: 'Standard_DS3_v2',
        autoscale: { min_workers: 2, max_workers: 8 },
        spark_conf: { 'spark.speculation': 'true' },
        spark_env_vars: { A: 'b' },
        custom_tags: { team: 'x' },
        policy_id: 'p',
        init_scripts: [
          { workspace: { destination: '/Workspace/init.sh' } },
          { dbfs: { destination: 'dbfs:/init.sh' } },
          { volumes: { destination: '/Volumes/a/b/c.sh' } },
        ],
      },
    });
    const pool = service({
      domain,
      accessToken: 't',
      instancePoolId: 'pool',
      newClusterVersion: '17',
      newClusterNumOfWorker: 4,
    });
    assert.deepEqual(pool.cluster, {
      new_cluster: { spark_version: '17', instance_pool_id: 'pool', num_workers: 4 },
    });
    assert.equal(service({ domain, accessToken: 't' }).cluster, undefined);
  });

  it('knows who asks', () => {
    const identity = (properties: JsonObject) => service({ domain, ...properties }).identity;
    assert.deepEqual(identity({ authentication: 'MSI', workspaceResourceId: '/subscriptions/x' }), {
      kind: 'managedIdentity',
    });
    assert.deepEqual(identity({ credential: { resourceId: '/r' } }), {
      kind: 'managedIdentity',
      resourceId: '/r',
    });
    assert.deepEqual(identity({ servicePrincipalId: 'i', servicePrincipalKey: 'k', tenant: 't' }), {
      kind: 'azurePrincipal',
      tenant: 't',
      clientId: 'i',
      clientSecret: 'k',
    });
    assert.deepEqual(identity({ clientId: 'i', clientSecret: 's' }), {
      kind: 'principal',
      clientId: 'i',
      clientSecret: 's',
    });
  });

  it('refuses what cannot work, by the name of the key', () => {
    const refuses = (properties: JsonObject, message: RegExp): void =>
      assert.throws(() => service(properties), fails('DEFINITION_INVALID', message));
    refuses({ accessToken: 't' }, /"domain" .* is missing/);
    refuses({ domain: 'http://example.com', accessToken: 't' }, /must begin with https/);
    refuses({ domain }, /"accessToken" .* is missing, and "authentication" is not MSI/);
    refuses({ domain, servicePrincipalId: 'i', servicePrincipalKey: 'k' }, /"tenant" .* is missing/);
    refuses({ domain, accessToken: 't', newClusterVersion: '17' }, /"newClusterNodeType" .* is missing/);
    refuses(
      {
        domain,
        accessToken: 't',
        newClusterVersion: '17',
        newClusterNodeType: 'x',
        newClusterNumOfWorker: 'many',
      },
      /neither a number nor/,
    );
  });

  it('takes the environment of Databricks own clients', () => {
    assert.deepEqual(databricksWorkspace({}), {});
    assert.equal(
      databricksWorkspace({ DATABRICKS_HOST: domain, DATABRICKS_TOKEN: 't' }).databricks?.host,
      domain.slice(0, -1),
    );
    assert.throws(
      () => databricksWorkspace({ DATABRICKS_HOST: domain }),
      fails('SETTINGS_INVALID', /neither/),
    );
  });
});

describe('a cluster profile', () => {
  const profile = {
    sparkVersion: '17.3.x-scala2.13',
    nodeTypeId: 'r6id.2xlarge',
    autoterminationMinutes: 10,
    runtimeEngine: 'PHOTON',
    dataSecurityMode: 'SINGLE_USER',
    sparkConf: {},
    sparkEnvVars: {},
    tags: { team: 'lake' },
    initScripts: [],
  } as const;
  const input = (more: object) => {
    const whole = { ...profile, ...more };
    return createInput({ engine: 'databricks', name: 'n', owner: 'o', generation: 2, profile: whole }, whole);
  };

  it('says how many workers, which market, and whose the cluster is', () => {
    const body = input({
      autoscale: { minimum: 20, maximum: 200 },
      awsAttributes: { availability: 'SPOT_WITH_FALLBACK', firstOnDemand: 1, zoneId: 'auto' },
    });
    assert.deepEqual(body['autoscale'], { min_workers: 20, max_workers: 200 });
    assert.deepEqual(body['custom_tags'], { team: 'lake', 'waybill:owner': 'o', 'waybill:generation': '2' });
    assert.deepEqual(body['aws_attributes'], {
      availability: 'SPOT_WITH_FALLBACK',
      first_on_demand: 1,
      zone_id: 'auto',
    });
    assert.equal(body['cluster_name'], 'waybill n o');
  });

  it('makes a cluster without workers one of the driver alone', () => {
    const body = input({ workers: 0 });
    assert.equal(body['num_workers'], 0);
    assert.equal((body['spark_conf'] as JsonObject)['spark.master'], 'local[*]');
    assert.equal((body['custom_tags'] as JsonObject)['ResourceClass'], 'SingleNode');
  });
});

describe('requests', () => {
  let server: Server;
  const listen = async (
    answer: (count: number, authorization: string) => [number, object, object?] | 'cut',
  ) => {
    let count = 0;
    server = createServer((request, response) => {
      request.resume().on('end', () => {
        const given = answer(++count, request.headers.authorization ?? '');
        if (given === 'cut') return void request.socket.destroy();
        response.writeHead(given[0], { ...given[2] }).end(JSON.stringify(given[1]));
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { host: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => count };
  };
  const client = (host: string): DatabricksClient => new DatabricksClient({ host, token: async () => 't' });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('are sent again when throttled, after as long as the service asks', async () => {
    const { host, count } = await listen((n) =>
      n < 3 ? [429, {}, { 'retry-after': '0' }] : [200, { run_id: 1 }],
    );
    assert.deepEqual(await client(host).get('2.2/jobs/runs/get'), { run_id: 1 });
    assert.equal(count(), 3);
  });

  it('that must not be repeated are not, and say that nobody knows', async () => {
    const { host, count } = await listen(() => 'cut');
    const error = await client(host)
      .post('2.1/clusters/create', {}, { once: true })
      .catch((one: unknown) => one);
    assert.ok(isAmbiguous(error));
    assert.equal(count(), 1);
  });

  it('with a refused token are sent with a new one, once', async () => {
    const asked: boolean[] = [];
    const { host } = await listen((_, authorization) => [authorization === 'Bearer new' ? 200 : 401, {}]);
    const token = async (fresh: boolean): Promise<string> => {
      asked.push(fresh);
      return fresh ? 'new' : 'old';
    };
    await new DatabricksClient({ host, token }).get('2.2/jobs/list');
    assert.deepEqual(asked, [false, true]);
    await assert.rejects(
      client(host).get('2.2/jobs/list'),
      fails('AUTHENTICATION_FAILED', /credentials for jobs\/list/),
    );
  });

  it('tell what the service refused', async () => {
    const { host } = await listen(() => [
      400,
      { error_code: 'INVALID_PARAMETER_VALUE', message: 'no such node type' },
    ]);
    await assert.rejects(
      client(host).post('2.1/clusters/create', {}),
      fails('COMPUTE_REFUSED', /Databricks refused clusters\/create: no such node type/),
    );
  });

  it('for tokens are made when there is none that is still good', async () => {
    const { host, count } = await listen((n) => [200, { access_token: `t${n}`, expires_in: 3600 }]);
    const source = principalTokens(host, 'id', 'secret');
    assert.deepEqual([await source(false), await source(false), await source(true)], ['t1', 't1', 't2']);
    assert.equal(count(), 2);
  });
});

describe('looks at a run', () => {
  it('are seldom enough that a week is one history, and often enough at first', () => {
    let looks = 0;
    for (let at = 0; at < 7 * 86_400; at += nextDatabricksLook(at)) looks += 1;
    assert.ok(looks < 2_000, `${looks} looks`);
    assert.equal(nextDatabricksLook(0), 1);
    assert.equal(nextDatabricksLook(3_600), 60);
  });
});
