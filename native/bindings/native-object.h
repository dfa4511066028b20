#pragma once

#include <napi.h>

#include <functional>
#include <string>

#include "bindings/errors.h"
#include "core/error.h"

namespace ocrnet::bindings {

/// The classes of the addon in one JavaScript environment (the main thread or a worker).
struct Classes {
  Napi::FunctionReference device, weights, state, program, abortToken, group;
};

/// A C++ object behind a JavaScript one. JavaScript never calls the constructor: `create` does, with C++
/// arguments.
///
/// `T` has: static constexpr napi_type_tag kTag; static constexpr const char* kName; a constructor from
/// (const Napi::CallbackInfo&, Arguments&), Arguments being a struct of its own.
template <class T>
class NativeObject : public Napi::ObjectWrap<T> {
 public:
  explicit NativeObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<T>(info) {}

  /// The object behind a value. Throws Error("INVALID_ARGUMENT") where it is of another class.
  static T& unwrap(const Napi::Value& value) {
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&T::kTag)) {
      throw Error("INVALID_ARGUMENT", std::string("Expected a ") + T::kName);
    }
    return *Napi::ObjectWrap<T>::Unwrap(value.As<Napi::Object>());
  }

 protected:
  using Method = Napi::Value (T::*)(const Napi::CallbackInfo&);
  using Property = Napi::ClassPropertyDescriptor<T>;

  /// A method whose exceptions become JavaScript errors.
  template <Method call>
  static Property method(const char* name) {
    const typename Napi::ObjectWrap<T>::InstanceMethodCallback converting =
        &NativeObject::template guarded<call>;
    return Napi::ObjectWrap<T>::InstanceMethod(name, converting);
  }

  template <class Arguments>
  static Napi::Object construct(Napi::Env env, const Napi::FunctionReference& constructor,
                                Arguments arguments) {
    Napi::Object object = constructor.New({Napi::External<Arguments>::New(env, &arguments)});
    object.TypeTag(&T::kTag);
    return object;
  }

  template <class Arguments>
  static Arguments& argumentsOf(const Napi::CallbackInfo& info) {
    // Reached by `new device.constructor()`.
    if (!info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "This class cannot be constructed");
    return *info[0].As<Napi::External<Arguments>>().Data();
  }

 private:
  template <Method call>
  Napi::Value guarded(const Napi::CallbackInfo& info) {
    return convertingErrors(info.Env(), [&] { return (static_cast<T*>(this)->*call)(info); });
  }
};

}  // namespace ocrnet::bindings
