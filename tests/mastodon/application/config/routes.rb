# frozen_string_literal: true

Rails.application.routes.draw do
  root to: 'home#index'
  get '/health', to: 'health#show'

  namespace :api, defaults: { format: :json } do
    scope :v1 do
      resources :statuses, only: %i(create show)
      get '/timelines/public', to: 'timelines#public_timeline'
      post '/media', to: 'media#create'
    end

    scope :v2 do
      get '/instance', to: 'instances#show'
      post '/media', to: 'media#create'
    end
  end
end
