// The EMR stand-in as a program. Prints {"ready":true,"port":N} on stdout when it listens; exits 0 on SIGTERM.
import { runProgram } from './program.ts';
import { EmrServer } from './server.ts';

runProgram({
  name: 'emr',
  title: 'EMR stand-in: clusters and steps by the EMR API, steps run by a real spark-submit on this machine.',
  flags: {
    'provisioning-ms': ['from RunJobFlow to a started machine', 200],
    'idle-second-ms': ['what a second of an auto-termination IdleTimeout takes', 1000],
  },
  accessKeyVariable: 'EMR_ACCESS_KEY_ID',
  create: ({ number, ...options }) =>
    new EmrServer({
      ...options,
      timing: { provisioningMs: number('provisioning-ms'), idleSecondMs: number('idle-second-ms') },
    }),
});
