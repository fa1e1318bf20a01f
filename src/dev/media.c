/* The recorder of tests, see media.h. */
#include "dev/media.h"

__attribute__((visibility("default"))) const struct media_recorder *media_recorder;
