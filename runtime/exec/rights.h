// What a model that came with a policy may be used for, as the session asks: run, inspect, export. Who decides sits above.
#pragma once

#include <cstdint>

#include "tenon.h"

namespace tenon {

// What one run was, for those who keep records.
struct RunFacts {
  uint64_t bytes_in = 0, bytes_out = 0, milliseconds = 0;
  const Error* error = nullptr;
};

// Many threads may ask. Refusals are Error(policy_denied), and Error(audit_failed) where a record cannot be written.
class Rights {
 public:
  virtual ~Rights() = default;
  virtual void require(Right right) = 0;
  virtual bool allows(Right right) const = 0;  // the same without a record
  // As require(Right::run), at the price of a clock read while the last answer is still valid.
  virtual void require_run() = 0;
  virtual bool records_runs() const = 0;
  virtual void record_run(const RunFacts& run) = 0;

  virtual const Origin& origin() const = 0;
  virtual SealedNotes notes() const = 0;
};

}  // namespace tenon
