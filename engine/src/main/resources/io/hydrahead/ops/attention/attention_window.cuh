// What of the past a query sees. With -DWINDOW=1 the kernels of attention take two more integers: key j <= i is visible to
// query i if i - j < window or j < sinks. Without it they are what they would be without this file.
#pragma once
#include "common.cuh"

#ifndef WINDOW
#define WINDOW 0
#endif

#if WINDOW
// Behind the last argument, of a kernel and of a call.
#define WINDOW_ARGUMENTS , int window, int sinks
#define WINDOW_VALUES , window, sinks
#else
#define WINDOW_ARGUMENTS
#define WINDOW_VALUES
#endif

DEVICE bool hidden(int key, int query WINDOW_ARGUMENTS) {
#if WINDOW
  if (query - key >= window && key >= sinks) {
    return true;
  }
#endif
  return key > query;
}
