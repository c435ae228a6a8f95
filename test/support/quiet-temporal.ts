// Imported for its effect, before any worker is made: Temporal logs errors only, so that a test's output is its tests.
import { DefaultLogger, Runtime } from '@temporalio/worker';

Runtime.install({ logger: new DefaultLogger('ERROR') });
