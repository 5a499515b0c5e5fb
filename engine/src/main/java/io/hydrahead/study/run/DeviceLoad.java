package io.hydrahead.study.run;

import java.util.Arrays;

/**
 * The units that workers of this process are making on each of its devices. Work goes where least
 * of it is: a worker whose device has more than another leaves a unit to the other's workers, of
 * which one is then free. A unit that has a device alone waits only for what goes on there.
 */
final class DeviceLoad {
  private static final int ALONE = Integer.MAX_VALUE;

  private final int[] units;

  DeviceLoad(int devices) {
    units = new int[devices];
  }

  /** Whether one more unit may begin on {@code device}; it is then counted until its end. */
  synchronized boolean begin(int device, boolean alone) {
    int here = units[device];
    int most = alone ? 0 : Arrays.stream(units).min().orElseThrow();
    if (here == ALONE || here > most) {
      return false;
    }
    units[device] = alone ? ALONE : here + 1;
    return true;
  }

  synchronized void end(int device) {
    units[device] = units[device] == ALONE ? 0 : units[device] - 1;
  }
}
